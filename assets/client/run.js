// The run being watched: a fold of the snapshot, the events and the deltas. Canvas, panel and header read it.
import { create } from "zustand";
import { send } from "./channel.js";

export const useRun = create(() => ({
  id: null,
  status: null,
  sequence: 0,
  startedAt: null,
  finishedAt: null,
  error: null,
  nodes: {},
  log: [],
  starting: false,
  stopping: false,
  stale: false,
}));

const { getState: get, setState: set } = useRun;

export const TERMINAL = new Set(["completed", "failed", "cancelled"]);
export const isActive = (run) => run.id !== null && !TERMINAL.has(run.status);

const IDLE = { status: "idle", attempt: 0, text: "", offset: 0 };
export const nodeRun = (run, id) => run.nodes[id] ?? IDLE;

const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

// --- folding -----------------------------------------------------------------------------------

const foldNode = (node, event) => {
  const { type, attempt, timestamp, payload } = event;
  switch (type) {
    case "node_started":
      return {
        ...node,
        status: "running",
        attempt,
        started_at: node.started_at ?? timestamp,
        error: null,
        text: "",
        offset: 0,
      };
    case "node_retrying":
      return {
        ...node,
        status: "retrying",
        error: payload.error,
        nextAttemptAt: payload.next_attempt_at,
        maxAttempts: payload.max_attempts,
      };
    case "node_waiting":
      return { ...node, status: "waiting", started_at: node.started_at ?? timestamp, message: payload.message };
    case "node_resumed":
      return { ...node, status: "running" };
    case "node_completed":
      return {
        ...node,
        status: "completed",
        attempt,
        output: payload.output,
        error: null,
        finished_at: timestamp,
        details: payload,
        text: "",
        offset: 0,
      };
    case "node_failed":
      return {
        ...node,
        status: "failed",
        error: payload.error,
        absorbed: payload.absorbed,
        output: payload.absorbed ? { error: payload.error } : null,
        finished_at: timestamp,
      };
    case "node_skipped":
      return { ...node, status: "skipped", reason: payload.reason };
    case "node_cancelled":
      return { ...node, status: "cancelled", finished_at: timestamp };
    default:
      return node;
  }
};

const EXECUTION_STATUS = {
  execution_started: "pending",
  execution_cancelling: "cancelling",
  execution_completed: "completed",
  execution_failed: "failed",
  execution_cancelled: "cancelled",
};

const foldExecution = (run, event) => {
  const status = EXECUTION_STATUS[event.type];
  if (event.type === "node_started" && run.status === "pending")
    return { status: "running", startedAt: event.timestamp };
  if (!status) return {};
  if (TERMINAL.has(status)) return { status, finishedAt: event.timestamp, error: event.payload.error ?? null };
  return { status };
};

/** When a run stops, what was queued is idle again. */
const withoutQueue = (nodes) =>
  Object.fromEntries(
    Object.entries(nodes).map(([id, node]) => [id, node.status === "queued" ? { ...node, status: "idle" } : node]),
  );

const foldEvent = (run, event) => {
  if (event.sequence <= run.sequence) return run;
  const ends = event.type === "execution_cancelling" || TERMINAL.has(EXECUTION_STATUS[event.type]);
  const stops = ends || (event.type === "node_failed" && !event.payload.absorbed);
  const nodes = stops ? withoutQueue(run.nodes) : { ...run.nodes };
  if (event.node_id) nodes[event.node_id] = foldNode(nodeRun(run, event.node_id), event);
  return { ...run, ...foldExecution(run, event), nodes, sequence: event.sequence, log: [...run.log, event] };
};

const foldDelta = (run, delta) => {
  const node = nodeRun(run, delta.node_id);
  if (["completed", "failed", "cancelled"].includes(node.status) || delta.attempt < node.attempt) return run;
  const fresh = delta.attempt > node.attempt;
  const [text, offset] = fresh ? ["", 0] : [node.text ?? "", node.offset ?? 0];
  const length = codePoints(delta.text);
  if (delta.offset + length <= offset) return run;
  if (delta.offset !== offset) return { ...run, stale: true };
  const next = { ...node, attempt: delta.attempt, status: "running", text: text + delta.text, offset: offset + length };
  return { ...run, nodes: { ...run.nodes, [delta.node_id]: next } };
};

// --- messages ----------------------------------------------------------------------------------

export const onSnapshot = ({ execution }) => {
  const { events = [], nodes } = execution;
  const folded = events.reduce(foldEvent, { status: null, sequence: 0, nodes: {}, log: [] });
  const merged = {};
  for (const [id, node] of Object.entries(nodes)) merged[id] = { ...folded.nodes[id], ...node };
  set({
    id: execution.id,
    status: execution.status,
    sequence: execution.last_sequence,
    startedAt: execution.started_at,
    finishedAt: execution.finished_at,
    error: execution.error,
    nodes: merged,
    log: folded.log,
    stopping: execution.status === "cancelling",
    stale: false,
  });
};

export const onLive = ({ execution_id, items }) => {
  let run = get();
  if (execution_id !== run.id || run.stale) return;
  for (const item of items) {
    if (item.event && item.event.sequence > run.sequence + 1) run = { ...run, stale: true };
    else run = item.event ? foldEvent(run, item.event) : foldDelta(run, item.delta);
    if (run.stale) break;
  }
  set(run);
  if (run.stale) send("onWatch", { execution_id });
};

export const onStarted = ({ execution_id }) => {
  const url = new URL(window.location);
  url.searchParams.set("run", execution_id);
  window.history.replaceState(window.history.state, "", url);
  set({ id: execution_id, status: "pending", sequence: 0, startedAt: null, finishedAt: null, error: null });
  set({ nodes: {}, log: [], stopping: false, stale: false });
  endStart();
};

const START_WITHIN_MS = 20_000;
let startKey = null;
let startTimer = null;

/** Begin to start a run; answers its key, which stays the same until an answer comes, so that no run starts twice. */
export const beginStart = () => {
  set({ starting: true });
  startKey ??= crypto.randomUUID?.() ?? String(Math.random());
  clearTimeout(startTimer);
  startTimer = setTimeout(() => set({ starting: false }), START_WITHIN_MS);
  return startKey;
};

/** The start was answered: with a run, or with a refusal. */
export const endStart = () => {
  startKey = null;
  clearTimeout(startTimer);
  set({ starting: false });
};

export const stop = () => {
  set({ stopping: true });
  send("onStop", { execution_id: get().id });
};

/** Forget the run, as when another workflow is opened. */
export const clearRun = () =>
  set({ id: null, status: null, sequence: 0, startedAt: null, finishedAt: null, error: null, nodes: {}, log: [] });

// --- what edges and numbers show ---------------------------------------------------------------

/** Whether a wire has carried something on: by its source's events, not by both ends having run. */
export const isTaken = (node, sourcePort) => {
  if (!node) return false;
  if (node.status === "failed") return sourcePort === "error" || node.absorbed === true;
  if (node.status !== "completed" || sourcePort === "error") return false;
  const branch = node.details?.branch ?? node.output?.branch;
  return branch === undefined || branch === sourcePort;
};

export const seconds = (from, to) => Math.max(0, (new Date(to) - new Date(from)) / 1000);

export const formatSeconds = (value) => {
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
};

const formatCost = (cost) => (cost >= 0.01 ? `$${cost.toFixed(2)}` : `$${cost.toFixed(4)}`);

/** `1.4 s · 812 tok · $0.0003` for a finished node. */
export const measures = (node) => {
  const parts = [];
  if (node.details?.duration_ms !== undefined) parts.push(formatSeconds(node.details.duration_ms / 1000));
  const usage = node.details?.usage;
  if (usage) parts.push(`${usage.input_tokens + usage.output_tokens} tok`);
  if (node.details?.cost_usd) parts.push(formatCost(node.details.cost_usd));
  return parts.join(" · ");
};
