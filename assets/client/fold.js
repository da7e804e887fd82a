// A run as its events and pieces of text tell it: the browser's copy of graph/projection.py, plain functions.

export const TERMINAL = new Set(["completed", "failed", "cancelled"]);

const IDLE = { status: "idle", attempt: 0, text: "", offset: 0 };
export const nodeRun = (run, id) => run.nodes[id] ?? IDLE;

const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

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
      return { ...node, status: "waiting", message: payload.message, expiresAt: payload.expires_at };
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

const BUSY = new Set(["queued", "running", "retrying"]);
const SETTLED = new Set(["completed", "failed", "skipped", "cancelled"]);

/** What leads to each node, of a run's graph. */
export const sourcesOf = (graph) => {
  const sources = {};
  for (const { source, target } of graph.edges ?? []) (sources[target] ??= []).push(source);
  return sources;
};

/** Whether a node that nothing was heard of is about to start, or to be skipped: all before it are through. */
const isSomebodyNext = ({ nodes, sources }) =>
  Object.entries(sources).some(
    ([id, before]) => (nodes[id] ?? IDLE).status === "idle" && before.every((source) => SETTLED.has(nodes[source]?.status)),
  );

/** A run waits when somebody waits and nobody is at work or about to be. */
const runningOrWaiting = (run) => {
  const statuses = new Set(Object.values(run.nodes).map((node) => node.status));
  const rests = statuses.has("waiting") && ![...BUSY].some((status) => statuses.has(status)) && !isSomebodyNext(run);
  return { status: rests ? "waiting" : "running" };
};

const foldExecution = (run, event) => {
  const status = EXECUTION_STATUS[event.type];
  if (event.type === "node_started" && run.status === "pending")
    return { status: "running", startedAt: event.timestamp };
  if (!status) return run.status === "running" || run.status === "waiting" ? runningOrWaiting(run) : {};
  if (TERMINAL.has(status)) return { status, finishedAt: event.timestamp, error: event.payload.error ?? null };
  return { status };
};

/** When a run stops, what was queued is idle again. */
const withoutQueue = (nodes) =>
  Object.fromEntries(
    Object.entries(nodes).map(([id, node]) => [id, node.status === "queued" ? { ...node, status: "idle" } : node]),
  );

/** The run after an event; one that it knows already changes nothing. */
export const foldEvent = (run, event) => {
  if (event.sequence <= run.sequence) return run;
  const ends = event.type === "execution_cancelling" || TERMINAL.has(EXECUTION_STATUS[event.type]);
  const stops = ends || (event.type === "node_failed" && !event.payload.absorbed);
  const nodes = stops ? withoutQueue(run.nodes) : { ...run.nodes };
  if (event.node_id) nodes[event.node_id] = foldNode(nodeRun(run, event.node_id), event);
  const next = { ...run, nodes, sequence: event.sequence, log: [...run.log, event] };
  return { ...next, ...foldExecution(next, event) };
};

/** The run after a piece of text; `stale` when one before it is missing. */
export const foldDelta = (run, delta) => {
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

/** Whether a wire has carried something on: by its source's events, not by both ends having run.
 * `key` is where the output of a kind that chooses names the port it chose, `policy` the source's `on_error`. */
export const isTaken = (node, sourcePort, key, policy) => {
  if (!node) return false;
  if (node.status === "failed") return node.absorbed === true && (policy === "route") === (sourcePort === "error");
  if (node.status !== "completed" || sourcePort === "error") return false;
  return !key || (node.output?.[key] ?? node.details?.[key]) === sourcePort;
};
