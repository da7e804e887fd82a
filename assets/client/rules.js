// Connection rules, the browser's copy of graph/connections.py; both are held to tests/vectors/connections.json.

const REASONS = {
  into_trigger: "A trigger starts the run; nothing leads into it.",
  self_loop: "A node cannot feed itself.",
  cycle: "That would make a loop.",
  duplicate: "These two are already connected.",
  unknown_port: "That output does not exist.",
  unknown_node: "That node does not exist.",
};

export const explain = (reason) => REASONS[reason];

const reaches = (edges, from, to) => {
  const next = new Map();
  for (const edge of edges) next.set(edge.source, [...(next.get(edge.source) ?? []), edge.target]);
  const seen = new Set();
  const open = [from];
  while (open.length) {
    const id = open.pop();
    if (id === to) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    open.push(...(next.get(id) ?? []));
  }
  return false;
};

/** Why the wire may not be drawn, or null. `nodes` are {id, trigger, ports}. */
export const refusal = (nodes, edges, { source, source_port, target, target_port = "in" }) => {
  const from = nodes.find((node) => node.id === source);
  const to = nodes.find((node) => node.id === target);
  if (!from || !to) return "unknown_node";
  if (source === target) return "self_loop";
  if (to.trigger) return "into_trigger";
  if (!from.ports.includes(source_port) || target_port !== "in") return "unknown_port";
  const twin = (edge) =>
    edge.source === source && (edge.source_port ?? "out") === source_port && edge.target === target;
  if (edges.some(twin)) return "duplicate";
  return reaches(edges, target, source) ? "cycle" : null;
};
