// Controls of the properties form. Each keeps what was typed, also when it is not valid yet.
import { useEffect, useId, useRef, useState } from "react";
import { Plus, Trash2 } from "lucide-react";
import { textOf } from "./draft.js";
import { same } from "./patch.js";

export function Field({ id, label, help, problems = [], children }) {
  const helpId = useId();
  return (
    <div className={`field ${problems.length ? "has-problem" : ""}`}>
      <label htmlFor={id} title={help}>
        {label}
      </label>
      {children}
      {problems.map((problem, index) => (
        <p key={index} className="field-problem" role="alert">
          {problem.message}
        </p>
      ))}
      {help ? (
        <p className="field-help" id={helpId}>
          {help}
        </p>
      ) : null}
    </div>
  );
}

export function TextField({ id, value, onChange, placeholder, label }) {
  return (
    <input
      id={id}
      type="text"
      value={typeof value === "string" ? value : value == null ? "" : JSON.stringify(value)}
      placeholder={placeholder}
      aria-label={label}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

export function LongText({ id, value, onChange }) {
  const area = useRef(null);
  const text = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value);
  useEffect(() => {
    area.current.style.height = "auto";
    area.current.style.height = `${Math.min(area.current.scrollHeight + 2, 420)}px`;
  }, [text]);
  return (
    <textarea id={id} ref={area} rows={4} value={text} spellCheck="true" onChange={(event) => onChange(event.target.value)} />
  );
}

export function NumberField({ id, value, onChange, min, max, whole }) {
  const shown = value == null ? "" : String(value);
  const [text, setText] = useState(shown);
  useEffect(() => {
    setText((old) => (old !== "" && Number(old) === value ? old : shown));
  }, [shown, value]);
  const change = (typed) => {
    setText(typed);
    if (typed === "") onChange(null);
    else if (Number.isFinite(Number(typed))) onChange(Number(typed));
  };
  return (
    <input
      id={id}
      type="number"
      value={text}
      min={min}
      max={max}
      step={whole ? 1 : "any"}
      placeholder="Default"
      onChange={(event) => change(event.target.value)}
    />
  );
}

export function Select({ id, value, choices, labels = {}, onChange, label }) {
  const known = choices.includes(value);
  return (
    <select id={id} value={known ? value : ""} aria-label={label} onChange={(event) => onChange(event.target.value)}>
      {known ? null : <option value="">{value == null ? "Choose…" : String(value)}</option>}
      {choices.map((choice) => (
        <option key={choice} value={choice}>
          {labels[choice] ?? String(choice).replaceAll("_", " ")}
        </option>
      ))}
    </select>
  );
}

export function Switch({ id, value, onChange }) {
  return (
    <button
      id={id}
      type="button"
      role="switch"
      className="switch"
      aria-checked={!!value}
      onClick={() => onChange(!value)}
    >
      <span aria-hidden="true" />
    </button>
  );
}

/** JSON by hand, for a schema. What does not parse is kept here and said, and not handed on. */
export function JsonField({ id, value, onChange }) {
  const shown = value == null ? "" : JSON.stringify(value, null, 2);
  const [text, setText] = useState(shown);
  const [wrong, setWrong] = useState(null);
  const handed = useRef(value);
  useEffect(() => {
    if (handed.current === value) return;
    handed.current = value;
    setText(shown);
    setWrong(null);
  }, [value, shown]);
  const change = (typed) => {
    setText(typed);
    try {
      const parsed = typed.trim() === "" ? null : JSON.parse(typed);
      setWrong(null);
      handed.current = parsed;
      onChange(parsed);
    } catch (error) {
      setWrong(error.message);
    }
  };
  return (
    <>
      <textarea
        id={id}
        rows={4}
        className="is-code"
        value={text}
        spellCheck="false"
        placeholder="None"
        onChange={(event) => change(event.target.value)}
      />
      {wrong ? (
        <p className="field-problem" role="alert">
          Not JSON yet: {wrong}
        </p>
      ) : null}
    </>
  );
}

const jsonText = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value, null, 2));

const jsonOrText = (typed) => {
  try {
    const value = JSON.parse(typed);
    return typeof value === "object" && value !== null ? value : typed;
  } catch {
    return typed;
  }
};

/** A text, or an object or list when what was typed is one in JSON. */
export function JsonOrText({ id, value, onChange }) {
  const [text, setText] = useState(() => jsonText(value));
  useEffect(() => {
    setText((old) => (same(jsonOrText(old), value ?? "") ? old : jsonText(value)));
  }, [value]);
  const change = (typed) => {
    setText(typed);
    onChange(jsonOrText(typed));
  };
  return (
    <>
      <LongText id={id} value={text} onChange={change} />
      {text.trim() ? <p className="field-note">{typeof value === "string" ? "Text" : "JSON"}</p> : null}
    </>
  );
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const rowsOf = (value) => Object.entries(isObject(value) ? value : {}).map(([name, text]) => ({ name, text: textOf(text) }));

const pairsOf = (rows) => Object.fromEntries(rows.filter((row) => row.name !== "").map((row) => [row.name, row.text]));

/** Names with a text each. Rows without a name, or with one that stands twice, are kept here until they have one. */
export function Pairs({ id, value, onChange, label, empty }) {
  const [rows, setRows] = useState(() => rowsOf(value));
  useEffect(() => {
    setRows((old) => (same(pairsOf(old), value ?? {}) ? old : rowsOf(value)));
  }, [value]);
  const change = (next) => {
    setRows(next);
    const pairs = pairsOf(next);
    onChange(Object.keys(pairs).length ? pairs : empty);
  };
  const put = (index, part) => change(rows.map((row, at) => (at === index ? { ...row, ...part } : row)));
  const isTwice = (name) => name !== "" && rows.filter((row) => row.name === name).length > 1;
  return (
    <div className="pairs" id={id} role="group" aria-label={label}>
      {rows.map((row, index) => (
        <div className="pair" key={index}>
          <TextField
            value={row.name}
            label={`Name ${index + 1} of ${label}`}
            placeholder="name"
            onChange={(name) => put(index, { name })}
          />
          <TextField
            value={row.text}
            label={`Value ${index + 1} of ${label}`}
            placeholder="text or {{…}}"
            onChange={(text) => put(index, { text })}
          />
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove row ${index + 1} of ${label}`}
            onClick={() => change(rows.filter((_, at) => at !== index))}
          >
            <Trash2 size={14} />
          </button>
        </div>
      ))}
      {rows.some((row) => isTwice(row.name)) ? (
        <p className="field-problem" role="alert">
          A name stands twice: only the last one counts.
        </p>
      ) : null}
      <button type="button" className="text-button" onClick={() => setRows([...rows, { name: "", text: "" }])}>
        <Plus size={14} aria-hidden="true" /> Add
      </button>
    </div>
  );
}
