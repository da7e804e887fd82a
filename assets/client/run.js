// The run being watched. Canvas, panel and header read it.
import { create } from "zustand";
import { send } from "./channel.js";
import { TERMINAL, foldDelta, foldEvent, sourcesOf } from "./fold.js";

export const useRun = create(() => ({
  id: null,
  status: null,
  sequence: 0,
  startedAt: null,
  finishedAt: null,
  error: null,
  nodes: {},
  sources: {},
  log: [],
  starting: false,
  stopping: false,
  stale: false,
}));

const { getState: get, setState: set } = useRun;

export const isActive = (run) => run.id !== null && !TERMINAL.has(run.status);

// --- messages ----------------------------------------------------------------------------------

export const onSnapshot = ({ execution }) => {
  const { events = [], nodes, graph } = execution;
  const folded = events.reduce(foldEvent, { status: null, sequence: 0, nodes: {}, sources: {}, log: [] });
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
    sources: sourcesOf(graph),
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
  set({ nodes: {}, sources: {}, log: [], stopping: false, stale: false });
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

export const decide = (nodeId, decision, comment) =>
  send("onDecide", { execution_id: get().id, node_id: nodeId, decision, comment });

/** Forget the run, as when another workflow is opened. */
export const clearRun = () =>
  set({ id: null, status: null, sequence: 0, startedAt: null, finishedAt: null, error: null, nodes: {}, log: [] });

// --- what edges and numbers show ---------------------------------------------------------------

export const seconds = (from, to) => Math.max(0, (new Date(to) - new Date(from)) / 1000);

export const formatSeconds = (value) => {
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3600)} h`;
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
