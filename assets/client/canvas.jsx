// The canvas: React Flow over the draft store, with the run drawn on top.
import { memo, useCallback, useEffect, useMemo, useRef } from "react";
import {
  Background,
  BackgroundVariant,
  BaseEdge,
  Controls,
  MiniMap,
  ReactFlow,
  ReactFlowProvider,
  getBezierPath,
  useReactFlow,
  useStore,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { toast } from "sonner";
import { Card } from "./card.jsx";
import {
  addEdge,
  addNode,
  changeFlowEdges,
  changeFlowNodes,
  drawable,
  edgesOf,
  moveNodes,
  nodeById,
  portsOf,
  redo,
  remove,
  selectedIds,
  undo,
  useDraft,
} from "./draft.js";
import { EmptyCanvas } from "./empty.jsx";
import { isTaken } from "./fold.js";
import { explain, refusal } from "./rules.js";
import { useRun } from "./run.js";
import { fit, reveal, setViewport } from "./viewport.js";

const GRID = [16, 16];
const MAP_SIZE = { width: 132, height: 84 };

const Wire = memo(function Wire({ source, sourceHandleId, selected, ...place }) {
  const key = useDraft((state) => state.catalog[nodeById(state, source)?.kind]?.port_key);
  const policy = useDraft((state) => nodeById(state, source)?.on_error);
  const taken = useRun((state) => isTaken(state.nodes[source], sourceHandleId, key, policy));
  const skipped = useRun((state) => state.nodes[source]?.status === "skipped");
  const [path] = getBezierPath(place);
  const name = `wire ${taken ? "is-taken" : ""} ${skipped ? "is-skipped" : ""} ${selected ? "is-selected" : ""}`;
  return <BaseEdge path={path} className={name} interactionWidth={20} />;
});

const NODE_TYPES = { card: Card };
const EDGE_TYPES = { wire: Wire };

const asRuleNodes = ({ graph, catalog }) =>
  drawable(graph).map((node) => ({
    id: node.id,
    trigger: !!catalog[node.kind]?.trigger,
    ports: [...portsOf(node, catalog).map((port) => port.id), "error"],
  }));

const judge = ({ source, sourceHandle, target }) => {
  const state = useDraft.getState();
  return refusal(asRuleNodes(state), edgesOf(state.graph), { source, source_port: sourceHandle ?? "out", target });
};

const isTyping = (element) => element.closest?.("input, textarea, select, [contenteditable]") !== null;

function useShortcuts() {
  useEffect(() => {
    const onKey = (event) => {
      if (!(event.ctrlKey || event.metaKey) || isTyping(event.target)) return;
      const key = event.key.toLowerCase();
      if (key === "z" && !event.shiftKey) undo();
      else if (key === "y" || (key === "z" && event.shiftKey)) redo();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

/** Fit the view when a workflow is opened and as its run goes on, until somebody moves it or selects a node. */
function useFit() {
  const id = useDraft((state) => state.id);
  const status = useRun((state) => state.status);
  const measured = useDraft(
    (state) => state.flowNodes.length > 0 && state.flowNodes.every((node) => node.measured?.width),
  );
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const fitted = useRef(null);
  const moved = useRef(false);
  useEffect(() => {
    moved.current = false;
  }, [id]);
  useEffect(() => {
    if (!measured) return;
    const [selected] = selectedIds(useDraft.getState());
    if (selected) reveal(selected);
    else if (!moved.current) fit({ animate: fitted.current === id });
    fitted.current = id;
  }, [measured, id, status, width, height]);
  return useCallback((event) => {
    if (event) moved.current = true;
  }, []);
}

/** Whether the view shows every card, so that a map would say nothing. */
const isWhollyVisible = ({ nodeLookup, transform: [x, y, zoom], width, height }) => {
  for (const { internals, measured } of nodeLookup.values()) {
    const left = internals.positionAbsolute.x * zoom + x;
    const top = internals.positionAbsolute.y * zoom + y;
    const right = left + (measured.width ?? 0) * zoom;
    const bottom = top + (measured.height ?? 0) * zoom;
    if (left < 0 || top < 0 || right > width || bottom > height) return false;
  }
  return true;
};

function Flow() {
  const nodes = useDraft((state) => state.flowNodes);
  const edges = useDraft((state) => state.flowEdges);
  const flow = useReactFlow();
  const whole = useStore(isWhollyVisible);
  const lastRefusal = useRef(null);
  useShortcuts();
  useEffect(() => setViewport(flow), [flow]);
  const onMove = useFit();

  const onConnect = useCallback((connection) => addEdge({ ...connection, sourceHandle: connection.sourceHandle ?? "out" }), []);
  const isValidConnection = useCallback((connection) => {
    lastRefusal.current = judge(connection);
    return lastRefusal.current === null;
  }, []);
  const onConnectStart = useCallback(() => {
    lastRefusal.current = null;
  }, []);
  const onConnectEnd = useCallback((_, state) => {
    if (state.toNode && !state.isValid && lastRefusal.current) toast.error(explain(lastRefusal.current));
  }, []);
  const onNodeDragStop = useCallback((_, __, dragged) => moveNodes(dragged), []);
  const onSelectionDragStop = useCallback((_, dragged) => moveNodes(dragged), []);
  const onDelete = useCallback(
    (gone) => remove(gone.nodes.map((node) => node.id), gone.edges.map((edge) => edge.id)),
    [],
  );
  const onDrop = useCallback(
    (event) => {
      const kind = event.dataTransfer.getData("application/x-node-kind");
      if (!kind) return;
      event.preventDefault();
      addNode(kind, flow.screenToFlowPosition({ x: event.clientX - 120, y: event.clientY - 28 }));
    },
    [flow],
  );
  const onDragOver = useCallback((event) => {
    if (!event.dataTransfer.types.includes("application/x-node-kind")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  }, []);
  const deleteKeys = useMemo(() => ["Backspace", "Delete"], []);

  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      onNodesChange={changeFlowNodes}
      onEdgesChange={changeFlowEdges}
      onConnect={onConnect}
      onConnectStart={onConnectStart}
      onConnectEnd={onConnectEnd}
      isValidConnection={isValidConnection}
      onNodeDragStop={onNodeDragStop}
      onSelectionDragStop={onSelectionDragStop}
      onDelete={onDelete}
      onMoveStart={onMove}
      onDrop={onDrop}
      onDragOver={onDragOver}
      deleteKeyCode={deleteKeys}
      snapToGrid
      snapGrid={GRID}
      minZoom={0.1}
      maxZoom={2}
      connectionRadius={28}
      onlyRenderVisibleElements={nodes.length > 100}
    >
      <Background variant={BackgroundVariant.Dots} gap={16} size={1.2} />
      {whole ? null : <MiniMap pannable zoomable ariaLabel="Map of the workflow" style={MAP_SIZE} />}
      <Controls showInteractive={false} onFitView={() => fit({ animate: true })} />
    </ReactFlow>
  );
}

export function Canvas({ templates }) {
  const empty = useDraft((state) => state.id !== null && state.flowNodes.length === 0);
  const loading = useDraft((state) => state.id === null);
  return (
    <section className="canvas" aria-label="Canvas" data-testid="canvas">
      <ReactFlowProvider>
        <Flow />
      </ReactFlowProvider>
      {empty ? <EmptyCanvas templates={templates} /> : null}
      {loading ? <Loading /> : null}
    </section>
  );
}

function Loading() {
  const trouble = useDraft((state) => state.trouble);
  return (
    <div className="canvas-note" role="status">
      {trouble ?? "Opening the workflow…"}
    </div>
  );
}
