// The properties of the selected node: a form made from its kind's JSON Schema.
import { useEffect } from "react";
import { X } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { nodeById, problemsOf, select, selectedIds, setConfig, setOnError, titleOf, updateNode, useDraft } from "./draft.js";
import { Branches } from "./branches.jsx";
import { Field, JsonField, JsonOrText, LongText, NumberField, Pairs, Select, Switch, TextField } from "./fields.jsx";
import { KindIcon } from "./icons.jsx";

const typesOf = (schema) => (schema.anyOf ?? [schema]).map((option) => option.type);

const choicesOf = (schema) => (schema.anyOf ?? [schema]).find((option) => option.enum)?.enum;

const limitsOf = (schema) => {
  const number = (schema.anyOf ?? [schema]).find((option) => ["number", "integer"].includes(option.type)) ?? {};
  return { min: number.minimum ?? number.exclusiveMinimum, max: number.maximum, whole: number.type === "integer" };
};

const operatorsOf = (kind) => kind.schema.$defs?.Condition?.properties?.operator?.enum ?? [];

function Control({ id, node, kind, field, schema }) {
  const value = node.config?.[field] ?? schema.default;
  const nullable = typesOf(schema).includes("null");
  const change = (next) => setConfig(id, field, nullable && next === "" ? null : next);
  const common = { id: `field-${field}`, value, onChange: change };
  const choices = choicesOf(schema);
  if (schema["x-control"] === "branches") return <Branches node={node} operators={operatorsOf(kind)} />;
  if (["text", "template"].includes(schema["x-control"])) return <LongText {...common} />;
  if (schema["x-control"] === "json-schema") return <JsonField {...common} />;
  if (schema["x-control"] === "template-json") return <JsonOrText {...common} />;
  if (schema["x-control"] === "template-pairs")
    return <Pairs {...common} label={schema.title} empty={nullable ? null : {}} />;
  if (choices) return <Select {...common} choices={choices} />;
  if (typesOf(schema).includes("boolean")) return <Switch {...common} />;
  if (typesOf(schema).some((type) => type === "number" || type === "integer"))
    return <NumberField {...common} {...limitsOf(schema)} />;
  return <TextField {...common} placeholder={nullable ? "Default" : ""} />;
}

const at = (problem, prefix) => problem.path === prefix || problem.path?.startsWith(`${prefix}.`);

function ConfigFields({ node, kind, problems }) {
  return Object.entries(kind.schema?.properties ?? {}).map(([field, schema]) => (
    <Field
      key={field}
      id={`field-${field}`}
      label={schema.title ?? field}
      help={schema.description}
      problems={problems.filter((problem) => at(problem, `config.${field}`))}
    >
      <Control id={node.id} node={node} kind={kind} field={field} schema={schema} />
    </Field>
  ));
}

const ON_ERROR = { fail: "Stop the run", continue: "Go on without it", route: "Go on through “error”" };

function WhenItFails({ node }) {
  const { id } = node;
  const attempts = node.retry?.max_attempts ?? 3;
  return (
    <details className="properties-more" open={node.on_error !== undefined && node.on_error !== "fail"}>
      <summary>When it fails</summary>
      <Field id="field-on_error" label="Then" help="What the run does after the last attempt.">
        <Select
          id="field-on_error"
          value={node.on_error ?? "fail"}
          choices={Object.keys(ON_ERROR)}
          labels={ON_ERROR}
          onChange={(value) => setOnError(id, value)}
        />
      </Field>
      <Field id="field-max_attempts" label="Attempts" help="How often it is tried in all.">
        <NumberField
          id="field-max_attempts"
          value={attempts}
          min={1}
          max={100}
          whole
          onChange={(value) => updateNode(id, (old) => ({ ...old, retry: { max_attempts: value ?? 3 } }), "retry")}
        />
      </Field>
      <Field id="field-timeout_seconds" label="Timeout" help="Seconds one attempt may take.">
        <NumberField
          id="field-timeout_seconds"
          value={node.timeout_seconds ?? 600}
          min={1}
          max={604_800}
          onChange={(value) => updateNode(id, (old) => ({ ...old, timeout_seconds: value ?? 600 }), "timeout")}
        />
      </Field>
    </details>
  );
}

function Form({ node }) {
  const kind = useDraft((state) => state.catalog[node.kind]);
  const problems = useDraft((state) => problemsOf(state, node.id));
  const elsewhere = problems.filter((problem) => !problem.path?.startsWith("config."));
  return (
    <form className="properties-form" onSubmit={(event) => event.preventDefault()}>
      {elsewhere.map((problem, index) => (
        <p key={index} className="field-problem">
          {problem.message}
        </p>
      ))}
      <Field id="field-title" label="Title">
        <TextField
          id="field-title"
          value={node.title ?? ""}
          onChange={(title) => updateNode(node.id, (old) => ({ ...old, title }), "title")}
        />
      </Field>
      <Field id="field-description" label="Note" help="For people; the run does not read it.">
        <TextField
          id="field-description"
          value={node.description ?? ""}
          onChange={(description) => updateNode(node.id, (old) => ({ ...old, description }), "description")}
        />
      </Field>
      {kind ? <ConfigFields node={node} kind={kind} problems={problems} /> : null}
      <WhenItFails node={node} />
    </form>
  );
}

export function Properties() {
  const ids = useDraft(useShallow(selectedIds));
  const node = useDraft((state) => (ids.length === 1 ? nodeById(state, ids[0]) : undefined));
  const kind = useDraft((state) => state.catalog[node?.kind]);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) select([]);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  if (!node) return null;
  return (
    <aside className="properties" aria-label="Properties" data-testid="properties">
      <header>
        <KindIcon kind={node.kind} group={kind?.group} />
        <div className="card-words">
          <strong>{titleOf(node)}</strong>
          <code className="muted">{node.id}</code>
        </div>
        <button type="button" className="icon-button" aria-label="Close properties" onClick={() => select([])}>
          <X size={16} />
        </button>
      </header>
      <Form key={node.id} node={node} />
    </aside>
  );
}
