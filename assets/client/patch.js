// The difference between two drafts, as the server's `edit` takes it, and its opposite.

export const same = (a, b) => {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
};

const isPart = (part) => typeof part === "object" && part !== null && typeof part.id === "string";

/** Whether every part has an id of its own, so that a patch can name it. */
export const isPatchable = (graph) =>
  ["nodes", "edges"].every((list) => {
    const parts = graph[list];
    if (!Array.isArray(parts) || !parts.every(isPart)) return false;
    return new Set(parts.map((part) => part.id)).size === parts.length;
  });

const changedParts = (before, after) => {
  const old = new Map(before.map((part) => [part.id, part]));
  return after.filter((part) => !same(old.get(part.id), part));
};

const removedIds = (before, after) => {
  const kept = new Set(after.map((part) => part.id));
  return before.filter((part) => !kept.has(part.id)).map((part) => part.id);
};

const withoutEmpty = (patch) =>
  Object.fromEntries(
    Object.entries(patch).filter(([, value]) => value !== undefined && !(Array.isArray(value) && !value.length)),
  );

export const diff = (before, after) => {
  const ids = (graph) => graph.nodes.map((node) => node.id);
  const survivors = ids(before).filter((id) => after.nodes.some((node) => node.id === id));
  const appended = [...survivors, ...ids(after).filter((id) => !survivors.includes(id))];
  const changed = (key) => (same(before[key], after[key]) ? undefined : after[key]);
  return withoutEmpty({
    name: changed("name"),
    description: changed("description"),
    variables: changed("variables"),
    nodes: changedParts(before.nodes, after.nodes),
    removed_nodes: removedIds(before.nodes, after.nodes),
    edges: changedParts(before.edges, after.edges),
    removed_edges: removedIds(before.edges, after.edges),
    node_order: same(appended, ids(after)) ? undefined : ids(after),
  });
};

const patchParts = (parts, changed = [], removed = []) => {
  const news = new Map(changed.map((part) => [part.id, part]));
  const kept = parts.filter((part) => !removed.includes(part.id)).map((part) => news.get(part.id) ?? part);
  const known = new Set(kept.map((part) => part.id));
  return [...kept, ...changed.filter((part) => !known.has(part.id))];
};

export const apply = (graph, patch) => {
  const next = { ...graph };
  for (const key of ["name", "description", "variables"]) if (key in patch) next[key] = patch[key];
  next.nodes = patchParts(graph.nodes, patch.nodes, patch.removed_nodes);
  next.edges = patchParts(graph.edges, patch.edges, patch.removed_edges);
  if (patch.node_order) {
    const rank = new Map(patch.node_order.map((id, index) => [id, index]));
    next.nodes = [...next.nodes].sort((a, b) => (rank.get(a.id) ?? Infinity) - (rank.get(b.id) ?? Infinity));
  }
  return next;
};

/** Whether two patches touch no part in common, so that both can stand. */
export const areDisjoint = (one, other) => {
  const touched = (patch) =>
    new Set([
      ...["name", "description", "variables", "node_order"].filter((key) => key in patch),
      ...["nodes", "edges"].flatMap((list) => (patch[list] ?? []).map((part) => `${list}:${part.id}`)),
      ...["nodes", "edges"].flatMap((list) => (patch[`removed_${list}`] ?? []).map((id) => `${list}:${id}`)),
    ]);
  const theirs = touched(other);
  return [...touched(one)].every((key) => !theirs.has(key));
};
