// Controls of the properties form. Each keeps what was typed, also when it is not valid yet.
import { useEffect, useId, useRef, useState } from "react";

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
