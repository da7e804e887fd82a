// The draft's way to the server: one commit at a time, a mirror in the browser until it is there, merging.
import { send } from "./channel.js";
import { edgesOf, nodesOf, show, useDraft } from "./draft.js";
import { apply, areDisjoint, diff, isPatchable, same } from "./patch.js";

const COMMIT_AFTER_MS = 350;
const REPLY_WITHIN_MS = 10_000;
const LEFT_OVER_AFTER_MS = 30_000;

const { getState: get, setState: set } = useDraft;
// Answers to commits of an earlier load of this tab may still arrive; they are not for this one.
const page = Math.random().toString(36).slice(2);
let commitTimer = null;
let replyTimer = null;
let inFlight = null;
let sent = null;
let commitCount = 0;
let retries = 0;
let afterSave = null;

// --- the mirror: what is not saved yet, kept in the browser by draft and tab ----------------------

const tab = () => {
  const known = sessionStorage.getItem("aistudio:tab") ?? Math.random().toString(36).slice(2);
  sessionStorage.setItem("aistudio:tab", known);
  return known;
};
const mirrorKey = (id) => `aistudio:draft:${id}:${tab()}`;

const mirror = () => {
  const { id, revision, base, graph } = get();
  try {
    if (base === graph) localStorage.removeItem(mirrorKey(id));
    else localStorage.setItem(mirrorKey(id), JSON.stringify({ revision, base, graph, sent, at: Date.now() }));
  } catch (error) {
    console.warn("The draft could not be kept in this browser:", error);
  }
};

const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
};

/** What this tab kept, or else what a tab that is gone has left. */
const takeMirror = (id) => {
  const own = read(mirrorKey(id));
  if (own) return own;
  const others = Object.keys(localStorage).filter((key) => key.startsWith(`aistudio:draft:${id}:`));
  const leftOver = others.find((key) => Date.now() - (read(key)?.at ?? 0) > LEFT_OVER_AFTER_MS);
  const kept = leftOver ? read(leftOver) : null;
  if (leftOver) localStorage.removeItem(leftOver);
  return kept;
};

// --- committing ----------------------------------------------------------------------------------

const answerRun = (name, ...details) => {
  const waiting = afterSave;
  afterSave = null;
  waiting?.[name](...details);
};

const settled = () => {
  set({ saving: "saved", trouble: null });
  mirror();
  answerRun("saved");
};

const commitSoon = () => {
  mirror();
  if (get().saving === "conflict") return;
  if (!inFlight) set({ saving: get().trouble ? "waiting" : "dirty" });
  clearTimeout(commitTimer);
  commitTimer = setTimeout(commit, COMMIT_AFTER_MS);
};

useDraft.subscribe((state, before) => {
  if (state.graph !== before.graph && state.graph !== state.base) commitSoon();
});

const commit = () => {
  clearTimeout(commitTimer);
  const { id, revision, base, graph, saving } = get();
  if (!id || inFlight || saving === "conflict") return;
  if (same(base, graph)) {
    set({ base: graph });
    settled();
    return;
  }
  const change = isPatchable(base) && isPatchable(graph) ? { patch: diff(base, graph) } : { graph };
  commitCount += 1;
  inFlight = { commit: `${page}:${commitCount}`, graph };
  sent = graph;
  set({ saving: "saving" });
  send("onCommit", { workflow_id: id, base_revision: revision, commit: inFlight.commit, ...change });
  const silent = { commit: inFlight.commit, message: "The server does not answer.", retry: true };
  replyTimer = setTimeout(() => onSaveFailed(silent), REPLY_WITHIN_MS);
};

const CHOOSE = "It was changed in another tab; choose above which one should stay.";

/** Call `saved` once everything typed so far is on the server, or `failed` with the reason when it cannot be. */
export const whenSaved = (saved, failed) => {
  if (get().saving === "conflict") {
    failed(CHOOSE);
    return;
  }
  afterSave = { saved, failed };
  commit();
};

const answered = (message) => {
  if (!inFlight || message.commit !== inFlight.commit) return null;
  clearTimeout(replyTimer);
  const { graph } = inFlight;
  inFlight = null;
  return graph;
};

export const onSaved = (message) => {
  const graph = answered(message);
  if (!graph) return;
  retries = 0;
  set({ base: graph, revision: message.revision, problems: message.problems, trouble: null });
  mirror();
  if (get().graph === graph) settled();
  else commit();
};

/** With `retry` the same commit is tried again by itself; otherwise the next edit tries. */
export const onSaveFailed = (message) => {
  if (!answered(message)) return;
  set({ saving: message.retry ? "waiting" : "refused", trouble: message.message });
  answerRun("failed", message.message);
  clearTimeout(commitTimer);
  if (!message.retry) return;
  retries += 1;
  commitTimer = setTimeout(commit, Math.min(1_000 * 2 ** (retries - 1), 8_000));
};

// --- merging -------------------------------------------------------------------------------------

/** Replay somebody else's change on what can be undone, so that undoing takes back nobody else's work. */
const rewriteHistory = (theirs) => {
  const { base, past, future } = get();
  const graphs = [base, theirs, ...past, ...future];
  if (!graphs.every(isPatchable)) {
    set({ past: [], future: [] });
    return;
  }
  const foreign = diff(base, theirs);
  const replay = (graph) => withoutLooseEnds(apply(graph, foreign));
  set({ past: past.map(replay), future: future.map(replay) });
};

/** A graph without the wires whose nodes somebody else has removed. */
const withoutLooseEnds = (graph) => {
  const ids = new Set(nodesOf(graph).map((node) => node?.id));
  return { ...graph, edges: edgesOf(graph).filter((edge) => ids.has(edge.source) && ids.has(edge.target)) };
};

const rebase = (theirs) => {
  const { base, graph } = get();
  if (same(theirs.graph, graph)) {
    set({ ...theirs, base: graph, graph });
    settled();
    return;
  }
  if (same(theirs.graph, sent)) {
    // It is what this page had sent; only the answer was lost.
    set({ ...theirs, base: theirs.graph, graph });
    commit();
    return;
  }
  const mine = [base, graph, theirs.graph].every(isPatchable) ? diff(base, graph) : null;
  if (mine && areDisjoint(mine, diff(base, theirs.graph))) {
    rewriteHistory(theirs.graph);
    set({ ...theirs, base: theirs.graph, graph });
    show(withoutLooseEnds(apply(theirs.graph, mine)));
    commit();
    return;
  }
  set({ saving: "conflict", theirs });
  answerRun("failed", CHOOSE);
};

/** Somebody else has changed the same draft. */
export const onConflict = (message) => {
  if (!answered(message)) return;
  rebase({ revision: message.revision, graph: message.graph, problems: message.problems });
};

export const keepMine = () => {
  const { theirs } = get();
  set({ base: theirs.graph, revision: theirs.revision, saving: "dirty", theirs: null });
  commit();
};

export const takeTheirs = () => {
  const { theirs, graph, past } = get();
  set({ base: theirs.graph, revision: theirs.revision, problems: theirs.problems, theirs: null, past: [...past, graph] });
  show(theirs.graph);
  settled();
};

// --- opening -------------------------------------------------------------------------------------

const begin = (id, kept, workflow) => {
  inFlight = null;
  sent = kept?.sent ?? null;
  const { revision, base, graph } = kept ?? { ...workflow, base: workflow.graph };
  set({ id, revision, base, graph: base, past: [], future: [], flowNodes: [], flowEdges: [], saving: "saved" });
  show(graph);
};

/** The server's draft, on the first load and after every reconnect. */
export const onWorkflow = ({ workflow, problems }) => {
  if (get().id !== workflow.id) begin(workflow.id, takeMirror(workflow.id), workflow);
  clearTimeout(replyTimer);
  inFlight = null;
  retries = 0;
  set({ trouble: null });
  const { revision, base, graph } = get();
  // An answer that was on its way while a commit was saved is older than what is here.
  if (workflow.revision < revision) return;
  const theirs = { revision: workflow.revision, graph: workflow.graph, problems };
  if (workflow.revision === revision) {
    set({ problems });
    commit();
  } else if (same(base, graph)) {
    rewriteHistory(workflow.graph);
    set({ ...theirs, base: workflow.graph, graph });
    show(workflow.graph);
    settled();
  } else rebase(theirs);
};

/** The server cannot be asked: show what this browser has kept, if anything. */
export const openFromMirror = (id, trouble) => {
  const kept = get().id === id ? null : takeMirror(id);
  if (kept) begin(id, kept);
  set({ saving: get().id === id ? "waiting" : "loading", trouble });
};
