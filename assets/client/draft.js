// The draft being edited: its one home, with selection and undo. `saving.js` takes it to the server.
import { create } from "zustand";
import { applyEdgeChanges, applyNodeChanges } from "@xyflow/react";
import { same } from "./patch.js";

const EMPTY = { schema: 1, name: "", description: "", variables: {}, nodes: [], edges: [] };
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
  saving: "loading", // loading | saved | dirty | saving | waiting | refused | conflict
  trouble: null,
  catalog: {},
}));

const { getState: get, setState: set } = useDraft;
let lastEdit = { key: null, at: 0 };

// --- reading: a draft may hold anything, so nothing is taken for granted --------------------------

const listOf = (value) => (Array.isArray(value) ? value : []);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export const nodesOf = (graph) => listOf(graph.nodes);
export const edgesOf = (graph) => listOf(graph.edges);
export const branchesOf = (node) => listOf(node.config?.branches).filter(isObject);
export const textOf = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value));
export const titleOf = (node) => textOf(node.title) || node.id;

export const drawable = (graph) => nodesOf(graph).filter((node) => isObject(node) && typeof node.id === "string");

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
export const selectedIds = (state) => state.flowNodes.filter((node) => node.selected).map((node) => node.id);

export const portsOf = (node, catalog) => {
  const kind = catalog[node.kind];
  if (!kind) return [{ id: "out", label: "" }];
  const ports = kind.ports.map((id) => ({ id, label: kind.ports.length > 1 ? id : "" }));
  if (kind.ports_from) {
    const { field, name, label } = kind.ports_from;
    for (const item of listOf(node.config?.[field]))
      if (typeof item?.[name] === "string") ports.push({ id: item[name], label: textOf(item[label]) || item[name] });
  }
  if (node.on_error === "route") ports.push({ id: "error", label: "On error" });
  return ports;
};

// --- what React Flow draws ---------------------------------------------------------------------

const asFlowNode = (node, old) => {
  const position = { x: Number(node.position?.x) || 0, y: Number(node.position?.y) || 0 };
  const unchanged = old && old.position.x === position.x && old.position.y === position.y;
  return unchanged ? old : { ...old, id: node.id, type: "card", position, data: {} };
};

const portOf = (edge) => edge.source_port ?? "out";

/** The id of a wire: its own, or else what the server calls it too. */
export const edgeId = (edge) => edge.id ?? `${edge.source}:${portOf(edge)}>${edge.target}`;

const asFlowEdge = (edge, old) => {
  const sourceHandle = portOf(edge);
  if (old && old.source === edge.source && old.target === edge.target && old.sourceHandle === sourceHandle)
    return old;
  const ends = { source: edge.source, sourceHandle, target: edge.target, targetHandle: "in" };
  return { ...old, id: edgeId(edge), type: "wire", ...ends };
};

const flowOf = (graph, state) => {
  const oldNodes = new Map(state.flowNodes.map((node) => [node.id, node]));
  const oldEdges = new Map(state.flowEdges.map((edge) => [edge.id, edge]));
  const edges = edgesOf(graph).filter((edge) => edge?.source && edge?.target);
  return {
    flowNodes: drawable(graph).map((node) => asFlowNode(node, oldNodes.get(node.id))),
    flowEdges: edges.map((edge) => asFlowEdge(edge, oldEdges.get(edgeId(edge)))),
  };
};

/** Put a graph on the canvas, whoever made it. */
export const show = (graph) => set((state) => ({ graph, ...flowOf(graph, state) }));

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
};

const travel = (from, to) => {
  const state = get();
  if (!state[from].length) return;
  lastEdit = { key: null, at: 0 };
  set({ [from]: state[from].slice(0, -1), [to]: [...state[to], state.graph] });
  show(state[from].at(-1));
};

export const undo = () => travel("past", "future");
export const redo = () => travel("future", "past");

export const updateNode = (id, change, key = null) =>
  edit(
    (graph) => ({ ...graph, nodes: nodesOf(graph).map((node) => (node?.id === id ? change(node) : node)) }),
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
    title: catalog[kind].title,
    position: { x: Math.round(position.x / 16) * 16, y: Math.round(position.y / 16) * 16 },
    config: structuredClone(catalog[kind].starter),
  };
  edit((draft) => ({ ...draft, nodes: [...nodesOf(draft), node] }));
  select([id]);
};

export const moveNodes = (moved) => {
  const places = new Map(moved.map((node) => [node.id, node.position]));
  edit((graph) => ({
    ...graph,
    nodes: nodesOf(graph).map((node) => {
      const place = places.get(node?.id);
      return place && !same(place, node.position) ? { ...node, position: { x: place.x, y: place.y } } : node;
    }),
  }));
};

export const addEdge = ({ source, sourceHandle, target }) =>
  edit((graph) => {
    const id = freshId(`${source}-${sourceHandle}-${target}`, new Set(edgesOf(graph).map(edgeId)));
    const edge = { id, source, source_port: sourceHandle, target, target_port: "in" };
    return { ...graph, edges: [...edgesOf(graph), edge] };
  });

export const remove = (nodeIds, edgeIds) => {
  const nodes = new Set(nodeIds);
  const edges = new Set(edgeIds);
  edit((graph) => ({
    ...graph,
    nodes: nodesOf(graph).filter((node) => !nodes.has(node?.id)),
    edges: edgesOf(graph).filter(
      (edge) => !edges.has(edgeId(edge)) && !nodes.has(edge.source) && !nodes.has(edge.target),
    ),
  }));
};

/** Change a node so that it loses a port, and take the wires away that left from there. */
const withoutPort = (id, port, change) =>
  edit((graph) => ({
    ...graph,
    nodes: nodesOf(graph).map((node) => (node?.id === id ? change(node) : node)),
    edges: edgesOf(graph).filter((edge) => !(edge.source === id && portOf(edge) === port)),
  }));

export const removeBranch = (id, branchId) =>
  withoutPort(id, branchId, (node) => {
    const branches = branchesOf(node).filter((branch) => branch.id !== branchId);
    return { ...node, config: { ...node.config, branches } };
  });

export const setOnError = (id, onError) => {
  const change = (node) => ({ ...node, on_error: onError });
  if (onError === "route") updateNode(id, change);
  else withoutPort(id, "error", change);
};

export const rename = (name) => edit((graph) => ({ ...graph, name }), "name");
