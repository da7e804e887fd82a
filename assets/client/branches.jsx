// The decision editor: branches with conditions; a wire follows its branch by the branch's id.
import { Plus, Trash2 } from "lucide-react";
import { branchesOf, removeBranch, setConfig } from "./draft.js";
import { Select, TextField } from "./fields.jsx";

const UNARY = new Set(["is_empty", "is_not_empty"]);
const JOINS = ["and", "or"];

function Condition({ condition, index, operators, onChange, onRemove }) {
  const put = (field) => (value) => onChange({ ...condition, [field]: value });
  const changeOperator = (operator) => {
    const next = { ...condition, operator };
    if (UNARY.has(operator)) delete next.right;
    onChange(next);
  };
  return (
    <div className="condition">
      {index > 0 ? (
        <Select value={condition.join ?? "and"} choices={JOINS} onChange={put("join")} label="Joined by" />
      ) : null}
      <TextField value={condition.left ?? ""} onChange={put("left")} label="Left side" placeholder="{{nodes.…}}" />
      <div className="condition-row">
        <Select value={condition.operator} choices={operators} onChange={changeOperator} label="Operator" />
        {UNARY.has(condition.operator) ? null : (
          <TextField value={condition.right ?? ""} onChange={put("right")} label="Right side" placeholder="value" />
        )}
        <button type="button" className="icon-button" aria-label="Remove condition" onClick={onRemove}>
          <Trash2 size={14} />
        </button>
      </div>
    </div>
  );
}

function Branch({ branch, number, operators, onChange, onRemove }) {
  const conditions = (Array.isArray(branch.conditions) ? branch.conditions : []).filter(Boolean);
  const put = (next) => onChange({ ...branch, conditions: next });
  const add = () => put([...conditions, { left: "", operator: "equals", right: "", ...(conditions.length ? { join: "and" } : {}) }]);
  return (
    <fieldset className="branch">
      <legend className="visually-hidden">Branch {number}</legend>
      <div className="condition-row">
        <TextField
          value={branch.label ?? ""}
          label={`Name of branch ${number}`}
          placeholder={branch.id}
          onChange={(label) => onChange({ ...branch, label })}
        />
        <button type="button" className="icon-button" aria-label={`Remove branch ${number}`} onClick={onRemove}>
          <Trash2 size={14} />
        </button>
      </div>
      {conditions.length ? null : <p className="field-help">No condition: takes everything that comes this far.</p>}
      {conditions.map((condition, index) => (
        <Condition
          key={index}
          index={index}
          condition={condition}
          operators={operators}
          onChange={(next) => put(conditions.map((old, at) => (at === index ? next : old)))}
          onRemove={() => put(conditions.filter((_, at) => at !== index))}
        />
      ))}
      <button type="button" className="text-button" onClick={add}>
        <Plus size={14} aria-hidden="true" /> Condition
      </button>
    </fieldset>
  );
}

const freshBranch = (branches) => {
  const taken = new Set(branches.map((branch) => branch.id));
  let count = branches.length + 1;
  while (taken.has(`branch_${count}`)) count += 1;
  return { id: `branch_${count}`, label: `Branch ${count}`, conditions: [] };
};

export function Branches({ node, operators }) {
  const branches = branchesOf(node);
  const put = (next) => setConfig(node.id, "branches", next);
  return (
    <div className="branches" id="field-branches">
      {branches.map((branch, index) => (
        <Branch
          key={branch.id}
          branch={branch}
          number={index + 1}
          operators={operators}
          onChange={(next) => put(branches.map((old) => (old.id === branch.id ? next : old)))}
          onRemove={() => removeBranch(node.id, branch.id)}
        />
      ))}
      <button type="button" className="text-button" onClick={() => put([...branches, freshBranch(branches)])}>
        <Plus size={14} aria-hidden="true" /> Branch
      </button>
    </div>
  );
}
