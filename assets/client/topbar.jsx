// Name, saved state, undo and redo, problems, Run and Stop.
import { useEffect } from "react";
import { CircleAlert, Play, Redo2, Square, Undo2 } from "lucide-react";
import { toast } from "sonner";
import { send } from "./channel.js";
import { edgeId, edgesOf, redo, remove, rename, select, undo, useDraft } from "./draft.js";
import { keepMine, takeTheirs, whenSaved } from "./saving.js";
import { beginStart, endStart, isActive, stop, useRun } from "./run.js";
import { centre } from "./viewport.js";

const SAVING = {
  loading: "Opening…",
  saved: "Saved",
  dirty: "Saving…",
  saving: "Saving…",
  waiting: "Not saved yet",
  refused: "Not saved",
  conflict: "Changed elsewhere",
};

export function WorkflowName() {
  const name = useDraft((state) => (typeof state.graph.name === "string" ? state.graph.name : ""));
  return (
    <input
      className="workflow-name"
      aria-label="Workflow name"
      value={name}
      placeholder="Untitled workflow"
      maxLength={200}
      onChange={(event) => rename(event.target.value)}
    />
  );
}

export function SavedState() {
  const saving = useDraft((state) => state.saving);
  const trouble = useDraft((state) => state.trouble);
  return (
    <span className={`saved is-${saving}`} role="status" data-testid="saved" title={trouble ?? undefined}>
      <span className="saved-dot" aria-hidden="true" />
      {SAVING[saving]}
    </span>
  );
}

/** What keeps the draft from being saved, and the choice when two tabs changed the same thing. */
export function SaveTrouble() {
  const saving = useDraft((state) => state.saving);
  const trouble = useDraft((state) => state.trouble);
  if (saving === "conflict")
    return (
      <div className="banner is-warning" role="alert">
        <span>This workflow was changed in another tab at the same place. Which one should stay?</span>
        <button type="button" className="button" onClick={keepMine}>
          Keep mine
        </button>
        <button type="button" className="button" onClick={takeTheirs}>
          Take theirs
        </button>
      </div>
    );
  if (saving === "refused")
    return (
      <div className="banner is-warning" role="alert">
        <span>{trouble} Your changes are kept in this browser; change something to try again.</span>
      </div>
    );
  if (saving === "waiting" && trouble)
    return (
      <div className="banner is-warning" role="alert" data-testid="save-trouble">
        <span>{trouble} Your changes are kept in this browser and will be saved when it is back.</span>
      </div>
    );
  return null;
}

export function History() {
  const canUndo = useDraft((state) => state.past.length > 0);
  const canRedo = useDraft((state) => state.future.length > 0);
  return (
    <div className="history" role="group" aria-label="History">
      <button type="button" className="icon-button" disabled={!canUndo} onClick={undo} aria-label="Undo" title="Undo (Ctrl+Z)">
        <Undo2 size={16} />
      </button>
      <button type="button" className="icon-button" disabled={!canRedo} onClick={redo} aria-label="Redo" title="Redo (Ctrl+Shift+Z)">
        <Redo2 size={16} />
      </button>
    </div>
  );
}

const goTo = (problem) => {
  const { graph } = useDraft.getState();
  const edge = problem.edge_id ? edgesOf(graph).find((candidate) => edgeId(candidate) === problem.edge_id) : null;
  const id = problem.node_id ?? edge?.source;
  if (!id) return;
  select([id]);
  centre(id);
};

export function Problems() {
  const problems = useDraft((state) => state.problems);
  if (!problems.length) return null;
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const label = `${problems.length} ${problems.length === 1 ? "problem" : "problems"}`;
  return (
    <details className="problems">
      <summary className={errors ? "is-error" : "is-warning"}>
        <CircleAlert size={14} aria-hidden="true" />
        {label}
      </summary>
      <ul>
        {problems.map((problem, index) => (
          <li key={index}>
            <button type="button" onClick={() => goTo(problem)}>
              <span className={`problem-dot is-${problem.severity}`} aria-hidden="true" />
              {problem.message}
            </button>
            {problem.edge_id ? (
              <button type="button" className="text-button" onClick={() => remove([], [problem.edge_id])}>
                Remove wire
              </button>
            ) : null}
          </li>
        ))}
      </ul>
    </details>
  );
}

const run = () => {
  const { id } = useDraft.getState();
  if (!id || useRun.getState().starting) return;
  const key = beginStart();
  const start = () => send("onRun", { workflow_id: id, key });
  const refuse = (reason) => {
    endStart();
    toast.error("The run could not start", { description: `The workflow is not saved yet. ${reason}` });
  };
  whenSaved(start, refuse);
};

export function RunButton() {
  const active = useRun(isActive);
  const starting = useRun((state) => state.starting);
  const stopping = useRun((state) => state.stopping);
  const ready = useDraft((state) => state.id !== null);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (!isActive(useRun.getState())) run();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  if (active)
    return (
      <button type="button" className="button is-stop" disabled={stopping} onClick={stop} data-testid="stop">
        <Square size={14} aria-hidden="true" />
        {stopping ? "Stopping…" : "Stop"}
      </button>
    );
  return (
    <button
      type="button"
      className="button is-primary"
      disabled={starting || !ready}
      onClick={run}
      title="Run (Ctrl+Enter)"
      data-testid="run"
    >
      <Play size={14} aria-hidden="true" />
      {starting ? "Starting…" : "Run"}
    </button>
  );
}
