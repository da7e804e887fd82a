// A handle on the canvas for panels that move the view.
let flow = null;

export const setViewport = (instance) => {
  flow = instance;
};

const reducedMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

// Room for the controls on the left.
const PADDING = { top: "32px", bottom: "32px", left: "64px", right: "32px" };

/** Show the whole graph beside what floats over it. */
export const fit = ({ animate }) =>
  flow?.fitView({ padding: PADDING, maxZoom: 1, duration: animate && !reducedMotion() ? 200 : 0 });

const MARGIN = 24;

/** Move the view just as far as the node needs to be seen whole. */
export const reveal = (id) => {
  const node = flow?.getInternalNode(id);
  const box = document.querySelector(".react-flow")?.getBoundingClientRect();
  if (!node || !box) return;
  const { x, y, zoom } = flow.getViewport();
  const shift = (start, size, room) =>
    Math.max(0, MARGIN - start) || Math.min(0, room - MARGIN - (start + size));
  const dx = shift(node.internals.positionAbsolute.x * zoom + x, (node.measured.width ?? 0) * zoom, box.width);
  const dy = shift(node.internals.positionAbsolute.y * zoom + y, (node.measured.height ?? 0) * zoom, box.height);
  if (dx || dy) flow.setViewport({ x: x + dx, y: y + dy, zoom }, { duration: reducedMotion() ? 0 : 160 });
};

export const centre = (id) =>
  flow?.fitView({ nodes: [{ id }], maxZoom: 1, padding: 0.4, duration: reducedMotion() ? 0 : 200 });

/** Where a node added without a pointer goes: the middle of what is seen. */
export const middle = () => {
  const box = document.querySelector(".react-flow")?.getBoundingClientRect();
  if (!flow || !box) return { x: 0, y: 0 };
  const point = flow.screenToFlowPosition({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
  return { x: point.x - 120, y: point.y - 40 };
};
