// The run panel under the canvas: where the run stands, and its log.
import { useEffect, useRef, useState } from "react";
import { ChevronDown, ChevronUp } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { Approval } from "./approval.jsx";
import { nodeById, select, titleOf, useDraft } from "./draft.js";
import { TERMINAL } from "./fold.js";
import { Output } from "./result.jsx";
import { formatSeconds, isActive, seconds, useRun } from "./run.js";
import { Status, shownStatus, word } from "./status.jsx";
import { centre } from "./viewport.js";

const WORDS = {
  execution_started: "Run started",
  node_started: "started",
  node_retrying: "failed, will be tried again",
  node_waiting: "waits for a decision",
  node_resumed: "goes on",
  node_completed: "completed",
  node_failed: "failed",
  node_skipped: "skipped",
  node_cancelled: "cancelled",
  execution_cancelling: "Stopping the run",
  execution_completed: "Run completed",
  execution_failed: "Run failed",
  execution_cancelled: "Run cancelled",
};

function useNow(active) {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(() => setNow(new Date()), 200);
    return () => clearInterval(timer);
  }, [active]);
  return now;
}

function Elapsed() {
  const startedAt = useRun((state) => state.startedAt);
  const finishedAt = useRun((state) => state.finishedAt);
  const now = useNow(startedAt !== null && finishedAt === null);
  if (!startedAt) return null;
  return <span className="muted">{formatSeconds(seconds(startedAt, finishedAt ?? now))}</span>;
}

function Progress() {
  const total = useDraft((state) => state.flowNodes.length);
  const done = useRun(
    (state) => Object.values(state.nodes).filter((node) => ["completed", "skipped", "failed"].includes(node.status)).length,
  );
  return (
    <span className="muted">
      {Math.min(done, total)} of {total} nodes
    </span>
  );
}

const REASONS = {
  node_retrying: ({ error }) => error.message,
  node_failed: ({ error }) => error.message,
  node_skipped: ({ reason }) => (reason === "branch_not_taken" ? "branch not taken" : ""),
  node_resumed: ({ decision, by }) => (by === "timeout" ? `${decision}: the time was up` : `${decision} by ${by}`),
  execution_failed: ({ error }) => error.message,
};

const reason = ({ type, payload }) => REASONS[type]?.(payload) ?? "";

const nodeTitle = (state, id) => {
  const node = nodeById(state, id);
  return node ? titleOf(node) : id;
};

function Line({ event, since }) {
  const title = useDraft((state) => (event.node_id ? nodeTitle(state, event.node_id) : null));
  const open = () => {
    select([event.node_id]);
    centre(event.node_id);
  };
  return (
    <li className={`log-line is-${event.type}`}>
      <time>{formatSeconds(seconds(since, event.timestamp))}</time>
      {title ? (
        <button type="button" onClick={open}>
          {title}
        </button>
      ) : null}
      <span>
        {WORDS[event.type]}
        {event.attempt > 1 ? ` (attempt ${event.attempt})` : ""}
      </span>
      <span className="muted">{reason(event)}</span>
    </li>
  );
}

const LINES_SHOWN = 500;

function Log() {
  const log = useRun((state) => state.log);
  const list = useRef(null);
  useEffect(() => {
    const element = list.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, [log.length]);
  const hidden = Math.max(0, log.length - LINES_SHOWN);
  return (
    <ol className="log" ref={list} aria-label="Log" tabIndex={0}>
      {hidden ? <li className="muted">{hidden} earlier lines</li> : null}
      {log.slice(-LINES_SHOWN).map((event) => (
        <Line key={event.sequence} event={event} since={log[0].timestamp} />
      ))}
    </ol>
  );
}

/** The selected node, or one that waits for a human, or is streaming, or failed, or the run's result: the last end of the graph. */
const useShownNode = () => {
  const selected = useDraft((state) => state.flowNodes.find((node) => node.selected)?.id);
  const ends = useDraft(useShallow((state) => endsOf(state)));
  const find = (status) => (state) => Object.keys(state.nodes).find((id) => shownStatus(state.nodes[id]) === status);
  const waiting = useRun(find("waiting"));
  const live = useRun(find("streaming"));
  const failed = useRun(find("failed"));
  const result = useRun((state) => ends.findLast((id) => state.nodes[id]?.status === "completed"));
  return selected ?? waiting ?? live ?? failed ?? result;
};

const endsOf = ({ flowNodes, flowEdges }) => {
  const sources = new Set(flowEdges.map((edge) => edge.source));
  return flowNodes.map((node) => node.id).filter((id) => !sources.has(id));
};

function NodeOutput() {
  const id = useShownNode();
  const title = useDraft((state) => (id ? nodeTitle(state, id) : null));
  const waits = useDraft((state) => state.catalog[nodeById(state, id)?.kind]?.waits);
  const node = useRun((state) => (id ? state.nodes[id] : undefined));
  if (!id) return <p className="muted output-none">Select a node to read what it made.</p>;
  const error = node?.error && node.status !== "completed" ? node.error : null;
  return (
    <div className="output" data-testid="output">
      <h3>{title}</h3>
      {error ? <p className="card-error">{error.message}</p> : null}
      {node && waits ? <Approval id={id} run={node} /> : null}
      {node?.status === "completed" && !waits ? <Output output={node.output} /> : null}
      {node?.text ? <p className="output-stream">{node.text}</p> : null}
      {!node || (!["completed", "waiting"].includes(node.status) && !node.text && !error) ? (
        <p className="muted">Nothing yet.</p>
      ) : null}
    </div>
  );
}

export function RunPanel() {
  const id = useRun((state) => state.id);
  const status = useRun((state) => state.status);
  const error = useRun((state) => state.error);
  const active = useRun(isActive);
  const [open, setOpen] = useState(true);
  return (
    <section className={`panel ${open && id ? "is-open" : ""}`} aria-label="Run" data-testid="panel">
      <header>
        {id ? <Status status={status} /> : <span className="muted">No run yet. Press Run to watch every step live.</span>}
        {id ? <Elapsed /> : null}
        {active || TERMINAL.has(status) ? <Progress /> : null}
        {error ? <span className="panel-error">{error.message}</span> : null}
        <span className="visually-hidden" aria-live="polite">
          {status ? `Run ${word(status).toLowerCase()}` : ""}
        </span>
        {id ? (
          <button
            type="button"
            className="icon-button panel-toggle"
            aria-expanded={open}
            aria-label={open ? "Close the run panel" : "Open the run panel"}
            onClick={() => setOpen(!open)}
          >
            {open ? <ChevronDown size={16} /> : <ChevronUp size={16} />}
          </button>
        ) : null}
      </header>
      {open && id ? (
        <div className="panel-body">
          <Log />
          <NodeOutput />
        </div>
      ) : null}
    </section>
  );
}
