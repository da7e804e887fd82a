// The draft being edited: its one home, with selection, undo, and the way to the server.
import { create } from "zustand";
import { applyEdgeChanges, applyNodeChanges } from "@xyflow/react";
import { send } from "./channel.js";
import { apply, areDisjoint, diff, isPatchable, same } from "./patch.js";

const EMPTY = { schema: 1, name: "", description: "", variables: {}, nodes: [], edges: [] };
const COMMIT_AFTER_MS = 350;
const REPLY_WITHIN_MS = 10_000;
const HISTORY_LENGTH = 200;
const COALESCE_MS = 1_000;

export const useDraft = create(() => ({
  id: null,
  revision: 0,
  graph: EMPTY,
  base: EMPTY,
  flowNodes: [],
  flowEdges: [],
  past: [],
  future: [],
  problems: [],
  saving: "loading", // loading | saved | dirty | saving | waiting | conflict
  trouble: null,
  catalog: {},
  focusField: null,
}));

const { getState: get, setState: set } = useDraft;
let commitTimer = null;
let replyTimer = null;
let inFlight = null;
let commitCount = 0;
let retries = 0;
let lastEdit = { key: null, at: 0 };
let afterSave = null;

// --- reading -----------------------------------------------------------------------------------

export const drawable = (graph) =>
  (Array.isArray(graph.nodes) ? graph.nodes : []).filter((node) => node && typeof node.id === "string");

/** A value made from an immutable one, made once. */
const derived = (make) => {
  const known = new WeakMap();
  return (source) => {
    if (!known.has(source)) known.set(source, make(source));
    return known.get(source);
  };
};

const nodesById = derived((graph) => new Map(drawable(graph).map((node) => [node.id, node])));
const problemsByNode = derived((problems) => Map.groupBy(problems, (problem) => problem.node_id));
const NONE = [];

export const nodeById = (state, id) => nodesById(state.graph).get(id);
export const problemsOf = (state, id) => problemsByNode(state.problems).get(id) ?? NONE;

export const portsOf = (node, catalog) => {
  const kind = catalog[node.kind];
  if (!kind) return [{ id: "out", label: "" }];
  const ports = (kind.ports ?? []).map((id) => ({ id, label: kind.ports.length > 1 ? id : "" }));
  if (kind.ports_from) {
    const { field, name, label } = kind.ports_from;
    const items = node.config?.[field];
    for (const item of Array.isArray(items) ? items : [])
      if (typeof item?.[name] === "string") ports.push({ id: item[name], label: item[label] || item[name] });
  }
  if (node.on_error === "route") ports.push({ id: "error", label: "On error" });
  return ports;
};

export const selectedIds = (state) => state.flowNodes.filter((node) => node.selected).map((node) => node.id);

// --- what React Flow draws ---------------------------------------------------------------------

const asFlowNode = (node, old) => {
  const position = { x: Number(node.position?.x) || 0, y: Number(node.position?.y) || 0 };
  const unchanged = old && old.position.x === position.x && old.position.y === position.y;
  return unchanged ? old : { ...old, id: node.id, type: "card", position, data: {}, dragHandle: undefined };
};

const edgeId = (edge, index) => edge.id ?? `${edge.source}:${edge.source_port ?? "out"}:${edge.target}:${index}`;

const asFlowEdge = (edge, index, old) => {
  const id = edgeId(edge, index);
  const sourceHandle = edge.source_port ?? "out";
  if (old && old.source === edge.source && old.target === edge.target && old.sourceHandle === sourceHandle)
    return old;
  return { ...old, id, type: "wire", source: edge.source, sourceHandle, target: edge.target, targetHandle: "in" };
};

const flowOf = (graph, state) => {
  const oldNodes = new Map(state.flowNodes.map((node) => [node.id, node]));
  const oldEdges = new Map(state.flowEdges.map((edge) => [edge.id, edge]));
  const edges = (Array.isArray(graph.edges) ? graph.edges : []).filter((edge) => edge?.source && edge?.target);
  return {
    flowNodes: drawable(graph).map((node) => asFlowNode(node, oldNodes.get(node.id))),
    flowEdges: edges.map((edge, index) => asFlowEdge(edge, index, oldEdges.get(edgeId(edge, index)))),
  };
};

export const changeFlowNodes = (changes) => {
  const kept = changes.filter((change) => change.type !== "remove");
  set((state) => ({ flowNodes: applyNodeChanges(kept, state.flowNodes) }));
};

export const changeFlowEdges = (changes) => {
  const kept = changes.filter((change) => change.type !== "remove");
  set((state) => ({ flowEdges: applyEdgeChanges(kept, state.flowEdges) }));
};

export const select = (ids) => {
  const chosen = new Set(ids);
  set((state) => ({
    flowNodes: state.flowNodes.map((node) =>
      !!node.selected === chosen.has(node.id) ? node : { ...node, selected: chosen.has(node.id) },
    ),
    flowEdges: state.flowEdges.map((edge) => (edge.selected ? { ...edge, selected: false } : edge)),
  }));
};

// --- editing -----------------------------------------------------------------------------------

const show = (graph) => set((state) => ({ graph, ...flowOf(graph, state) }));

/** Change the draft by one gesture. Edits with the same key in quick succession undo as one. */
export const edit = (change, key = null) => {
  const { graph, past } = get();
  const next = change(graph);
  if (same(next, graph)) return;
  const now = Date.now();
  const coalesce = key !== null && key === lastEdit.key && now - lastEdit.at < COALESCE_MS;
  lastEdit = { key, at: now };
  if (!coalesce) set({ past: [...past.slice(-HISTORY_LENGTH), graph], future: [] });
  show(next);
  touched();
};

const travel = (from, to) => {
  const state = get();
  if (!state[from].length) return;
  const graph = state[from].at(-1);
  set({ [from]: state[from].slice(0, -1), [to]: [...state[to], state.graph] });
  lastEdit = { key: null, at: 0 };
  show(graph);
  touched();
};

export const undo = () => travel("past", "future");
export const redo = () => travel("future", "past");

export const updateNode = (id, change, key = null) =>
  edit(
    (graph) => ({ ...graph, nodes: graph.nodes.map((node) => (node?.id === id ? change(node) : node)) }),
    key && `${id}:${key}`,
  );

export const setConfig = (id, field, value) =>
  updateNode(id, (node) => ({ ...node, config: { ...node.config, [field]: value } }), field);

const freshId = (stem, taken) => {
  for (let count = 1; ; count += 1) {
    const id = count === 1 ? stem : `${stem}_${count}`;
    if (!taken.has(id)) return id;
  }
};

export const addNode = (kind, position) => {
  const { graph, catalog } = get();
  const id = freshId(kind, new Set(drawable(graph).map((node) => node.id)));
  const node = {
    id,
    kind,
    title: catalog[kind]?.title ?? kind,
    position: { x: Math.round(position.x / 16) * 16, y: Math.round(position.y / 16) * 16 },
    config: structuredClone(catalog[kind]?.starter ?? {}),
  };
  edit((draft) => ({ ...draft, nodes: [...draft.nodes, node] }));
  select([id]);
};

export const moveNodes = (moved) => {
  const places = new Map(moved.map((node) => [node.id, node.position]));
  edit((graph) => ({
    ...graph,
    nodes: graph.nodes.map((node) => {
      const place = places.get(node?.id);
      return place && !same(place, node.position) ? { ...node, position: { x: place.x, y: place.y } } : node;
    }),
  }));
};

export const addEdge = ({ source, sourceHandle, target }) =>
  edit((graph) => {
    const id = freshId(`${source}-${sourceHandle}-${target}`, new Set(graph.edges.map((edge) => edge.id)));
    return { ...graph, edges: [...graph.edges, { id, source, source_port: sourceHandle, target, target_port: "in" }] };
  });

export const remove = (nodeIds, edgeIds) => {
  const nodes = new Set(nodeIds);
  const edges = new Set(edgeIds);
  edit((graph) => ({
    ...graph,
    nodes: graph.nodes.filter((node) => !nodes.has(node?.id)),
    edges: graph.edges.filter(
      (edge, index) => !edges.has(edgeId(edge, index)) && !nodes.has(edge.source) && !nodes.has(edge.target),
    ),
  }));
};

/** Take a branch away and the wires that left from it. */
export const removeBranch = (id, branchId) =>
  edit((graph) => ({
    ...graph,
    nodes: graph.nodes.map((node) =>
      node?.id === id
        ? { ...node, config: { ...node.config, branches: node.config.branches.filter((b) => b.id !== branchId) } }
        : node,
    ),
    edges: graph.edges.filter((edge) => !(edge.source === id && (edge.source_port ?? "out") === branchId)),
  }));

export const rename = (name) => edit((graph) => ({ ...graph, name }), "name");

// --- the way to the server ---------------------------------------------------------------------

const mirrorKey = (id) => `aistudio:draft:${id}`;

const mirror = () => {
  const { id, revision, base, graph } = get();
  try {
    if (base === graph) localStorage.removeItem(mirrorKey(id));
    else localStorage.setItem(mirrorKey(id), JSON.stringify({ revision, base, graph }));
  } catch (error) {
    console.warn("The draft could not be kept in this browser:", error);
  }
};

const readMirror = (id) => {
  try {
    return JSON.parse(localStorage.getItem(mirrorKey(id)));
  } catch {
    return null;
  }
};

const touched = () => {
  mirror();
  if (get().saving === "conflict") return;
  if (!inFlight) set({ saving: get().trouble ? "waiting" : "dirty" });
  clearTimeout(commitTimer);
  commitTimer = setTimeout(commit, COMMIT_AFTER_MS);
};

const settled = () => {
  set({ saving: "saved", trouble: null });
  mirror();
  const waiting = afterSave;
  afterSave = null;
  waiting?.saved();
};

const commit = () => {
  clearTimeout(commitTimer);
  const { id, revision, base, graph, saving } = get();
  if (!id || inFlight || saving === "conflict") return;
  if (same(base, graph)) {
    set({ base: graph });
    settled();
    return;
  }
  commitCount += 1;
  inFlight = { commit: commitCount, graph };
  set({ saving: "saving" });
  const change = isPatchable(base) && isPatchable(graph) ? { patch: diff(base, graph) } : { graph };
  send("onCommit", { workflow_id: id, base_revision: revision, commit: commitCount, ...change });
  replyTimer = setTimeout(() => onSaveFailed({ commit: inFlight?.commit, message: null }), REPLY_WITHIN_MS);
};

/** Call `saved` once everything typed so far is on the server, or `failed` with the reason when it cannot be. */
export const whenSaved = (saved, failed) => {
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

export const onSaveFailed = (message) => {
  if (!answered(message)) return;
  retries += 1;
  const trouble = message.message ?? "The server does not answer.";
  set({ saving: "waiting", trouble });
  afterSave?.failed(trouble);
  afterSave = null;
  clearTimeout(commitTimer);
  commitTimer = setTimeout(commit, Math.min(1_000 * 2 ** (retries - 1), 8_000));
};

const rebase = (revision, theirs, problems) => {
  const { base, graph } = get();
  if (same(theirs, graph)) {
    set({ base: graph, revision, problems });
    settled();
    return;
  }
  const mine = isPatchable(base) && isPatchable(graph) && isPatchable(theirs) ? diff(base, graph) : null;
  if (mine && areDisjoint(mine, diff(base, theirs))) {
    set({ base: theirs, revision, problems });
    show(apply(theirs, mine));
    touched();
    commit();
    return;
  }
  set({ saving: "conflict", theirs: { revision, graph: theirs, problems } });
};

/** Somebody else has changed the same draft. */
export const onConflict = (message) => {
  if (!answered(message)) return;
  rebase(message.revision, message.graph, message.problems);
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

/** The server's draft, on the first load and after every reconnect. */
export const onWorkflow = ({ workflow, problems }) => {
  const state = get();
  const fresh = state.id !== workflow.id;
  if (fresh) {
    const kept = readMirror(workflow.id);
    inFlight = null;
    set({ id: workflow.id, past: [], future: [], base: kept?.base ?? workflow.graph, problems });
    set({ revision: kept?.revision ?? workflow.revision, flowNodes: [], flowEdges: [] });
    show(kept?.graph ?? workflow.graph);
  }
  clearTimeout(replyTimer);
  inFlight = null;
  retries = 0;
  const { revision, base, graph } = get();
  if (workflow.revision === revision) {
    set({ problems });
    if (base === graph || same(base, graph)) settled();
    else touched();
  } else if (base === graph) {
    set({ base: workflow.graph, revision: workflow.revision, problems });
    show(workflow.graph);
    settled();
  } else rebase(workflow.revision, workflow.graph, problems);
};

/** The server cannot be asked: show what this browser has kept, if anything. */
export const openFromMirror = (id, trouble) => {
  const kept = get().id === id ? null : readMirror(id);
  if (kept) {
    set({ id, revision: kept.revision, base: kept.base, past: [], future: [] });
    show(kept.graph);
  }
  set({ saving: get().id === id ? "waiting" : "loading", trouble });
};
