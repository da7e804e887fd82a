// One generic card draws every kind: what it is, what it does, where it stands in the run.
import { memo } from "react";
import { Handle, Position, useUpdateNodeInternals } from "@xyflow/react";
import { CircleAlert } from "lucide-react";
import { useEffect, useRef } from "react";
import { Approval } from "./approval.jsx";
import { nodeById, portsOf, problemsOf, titleOf, useDraft } from "./draft.js";
import { nodeRun } from "./fold.js";
import { Result, useWhole } from "./result.jsx";
import { measures, useRun } from "./run.js";
import { Status, shownStatus } from "./status.jsx";
import { KindIcon } from "./icons.jsx";

const lastLines = (text) => text.trimEnd().split("\n").slice(-2).join("\n").slice(-200);

const firstLine = (value) => (typeof value === "string" ? value.trim().split("\n")[0] : "");

/** One muted line that says what the node does, from its own configuration. */
const describe = (node, kind) => {
  if (!kind) return `Unknown kind “${node.kind}”`;
  const schema = kind.schema.properties?.[kind.headline] ?? {};
  const shown = node.config?.[kind.headline] ?? schema.default;
  if (schema.enum) return `${schema.title}: ${String(shown).replaceAll("_", " ")}`;
  if (Array.isArray(shown)) return `${shown.length} ${shown.length === 1 ? "branch" : "branches"}`;
  return firstLine(shown) || kind.summary;
};

function Retry({ run }) {
  return run.maxAttempts ? `${run.attempt + 1}/${run.maxAttempts}` : null;
}

function RunState({ run }) {
  const status = shownStatus(run);
  if (status === "idle") return null;
  return (
    <div className="card-run" aria-label="Run state">
      <Status status={status} detail={status === "retrying" ? <Retry run={run} /> : measures(run)} />
      {status === "streaming" ? (
        <div className="card-stream">
          <p data-testid="stream">
            {lastLines(run.text)}
            <span className="caret" />
          </p>
        </div>
      ) : null}
      {run.error && (status === "failed" || status === "retrying") ? (
        <p className="card-error">{run.error.message}</p>
      ) : null}
    </div>
  );
}

function Ports({ node, kind, ports }) {
  const labelled = ports.length > 1 || ports.some((port) => port.label);
  return (
    <>
      {kind?.trigger ? null : <Handle type="target" position={Position.Left} id="in" aria-label="Input" />}
      {labelled ? (
        <ul className="card-ports">
          {ports.map((port) => (
            <li key={port.id} className={port.id === "error" ? "is-error" : ""}>
              <span>{port.label || "Next"}</span>
              <Handle type="source" position={Position.Right} id={port.id} aria-label={`Output ${port.label}`} />
            </li>
          ))}
        </ul>
      ) : (
        <Handle type="source" position={Position.Right} id={ports[0]?.id ?? "out"} aria-label="Output" />
      )}
    </>
  );
}

export const Card = memo(function Card({ id, selected }) {
  const node = useDraft((state) => nodeById(state, id));
  const kind = useDraft((state) => state.catalog[node?.kind]);
  const problems = useDraft((state) => problemsOf(state, id));
  const run = useRun((state) => nodeRun(state, id));
  const updateInternals = useUpdateNodeInternals();
  const output = useWhole(run.output);
  const ports = node ? portsOf(node, { [node.kind]: kind }) : [];
  const portIds = ports.map((port) => port.id).join(" ");
  const measuredPorts = useRef(portIds);
  useEffect(() => {
    if (measuredPorts.current === portIds) return;
    measuredPorts.current = portIds;
    updateInternals(id);
  }, [id, portIds, updateInternals]);
  if (!node) return null;
  const status = shownStatus(run);
  const shows = status === "completed" && output?.format !== undefined && "content" in output;
  return (
    <article
      className={`card is-${status} ${selected ? "is-selected" : ""} ${shows ? "has-result" : ""}`}
      data-status={run.status}
      data-testid={`node-${id}`}
      aria-label={`${titleOf(node)}, ${kind?.title ?? node.kind}`}
    >
      <header>
        <KindIcon kind={node.kind} group={kind?.group} />
        <div className="card-words">
          <strong>{titleOf(node)}</strong>
          <span className="muted">{describe(node, kind)}</span>
        </div>
        {problems.length ? (
          <span className="card-problem" title={problems.map((problem) => problem.message).join("\n")}>
            <CircleAlert size={16} aria-label={`${problems.length} problems`} />
          </span>
        ) : null}
      </header>
      <Ports node={node} kind={kind} ports={ports} />
      {shows ? (
        <div className="card-result nowheel nodrag nopan" tabIndex={0} data-testid={`result-${id}`}>
          <Result output={output} />
        </div>
      ) : null}
      <RunState run={run} />
      {kind?.waits ? <Approval id={id} run={run} /> : null}
    </article>
  );
});
