// What a visualise node shows. Model output is data: no raw HTML, no remote images, no scripts.
import { useEffect, useState } from "react";
import Markdown from "react-markdown";
import remarkGfm from "remark-gfm";

const MARKDOWN_PARTS = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  img: ({ alt }) => <span className="result-image">{alt ? `Image: ${alt}` : "Image left out"}</span>,
  table: ({ children }) => (
    <div className="result-scroll">
      <table>{children}</table>
    </div>
  ),
};

const MARKDOWN_LIMIT = 200_000;

export function MarkdownText({ text }) {
  const shown = text.length > MARKDOWN_LIMIT ? text.slice(0, MARKDOWN_LIMIT) : text;
  return (
    <div className="prose">
      <Markdown remarkPlugins={[remarkGfm]} components={MARKDOWN_PARTS}>
        {shown}
      </Markdown>
      {shown === text ? null : <p className="muted">The first 200,000 characters are shown.</p>}
    </div>
  );
}

const cell = (value) =>
  value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

const ROW_LIMIT = 200;

function Table({ content }) {
  const rows = Array.isArray(content) ? content : [];
  const columns = [...new Set(rows.flatMap((row) => (row && typeof row === "object" ? Object.keys(row) : [])))];
  return (
    <div className="result-scroll">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column}>{column}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROW_LIMIT).map((row, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column}>{cell(row?.[column])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROW_LIMIT ? <p className="muted">The first {ROW_LIMIT} of {rows.length} rows.</p> : null}
    </div>
  );
}

const CHILD_LIMIT = 100;

function Json({ label, value, depth = 0 }) {
  const [open, setOpen] = useState(depth < 2);
  const name = label === undefined ? null : <span className="json-key">{label}: </span>;
  if (value === null || typeof value !== "object")
    return (
      <div className="json-line">
        {name}
        <span className={`json-${value === null ? "null" : typeof value}`}>{JSON.stringify(value)}</span>
      </div>
    );
  const entries = Object.entries(value);
  const size = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <div className="json-branch">
      <button type="button" className="json-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "▾" : "▸"} {name}
        <span className="muted">{size}</span>
      </button>
      {open
        ? entries
            .slice(0, CHILD_LIMIT)
            .map(([key, child]) => <Json key={key} label={key} value={child} depth={depth + 1} />)
        : null}
      {open && entries.length > CHILD_LIMIT ? <p className="muted">{entries.length - CHILD_LIMIT} more</p> : null}
    </div>
  );
}

const pairs = (content) =>
  Array.isArray(content)
    ? content.map((item) => [item?.label ?? "", item?.value])
    : Object.entries(content && typeof content === "object" ? content : {});

function StatCards({ content }) {
  return (
    <dl className="stat-cards">
      {pairs(content).map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{cell(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

const text = (content) => (typeof content === "string" ? content : JSON.stringify(content, null, 2));

export function Result({ output }) {
  if (!output || typeof output !== "object" || !("format" in output)) return <Json value={output} />;
  const { format, content } = output;
  if (format === "markdown") return <MarkdownText text={text(content)} />;
  if (format === "table") return <Table content={content} />;
  if (format === "json") return <Json value={content} />;
  if (format === "stat_cards") return <StatCards content={content} />;
  if (format === "chart") return <Table content={content?.data} />;
  return <pre className="result-text">{text(content)}</pre>;
}

const TEXT_FIELDS = ["input", "response", "text", "content"];

const isReference = (output) =>
  typeof output?.href === "string" && typeof output.size === "number" && "preview" in output;

/** An output that travelled by reference, fetched; any other as it is. */
export function useWhole(output) {
  const href = isReference(output) ? output.href : null;
  const [fetched, setFetched] = useState({ href: null, output: null });
  useEffect(() => {
    if (href === null) return undefined;
    const leaving = new AbortController();
    fetch(href, { signal: leaving.signal })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
      .then((whole) => setFetched({ href, output: whole }))
      .catch((error) => leaving.signal.aborted || console.warn("An output could not be fetched:", error));
    return () => leaving.abort();
  }, [href]);
  if (href === null) return output;
  return fetched.href === href ? fetched.output : { text: output.preview };
}

/** Any node's output as a person reads it: its text when it has one, else its JSON. */
export function Output({ output: given }) {
  const output = useWhole(given);
  if (output && typeof output === "object" && "format" in output && "content" in output)
    return <Result output={output} />;
  const field = TEXT_FIELDS.find((name) => typeof output?.[name] === "string");
  return field ? <MarkdownText text={output[field]} /> : <Json value={output} />;
}
