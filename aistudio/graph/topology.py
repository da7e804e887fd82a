"""The shape of a graph, valid or not: its cycles, who is upstream of whom, what can be reached."""

from collections.abc import Iterable, Sequence


class Topology:
    """Nodes and the wires between them. Cycles are allowed, depth is no matter.

    Attributes:
        cycles: groups of nodes that all lie upstream of each other, and nodes wired to themselves;
            each group in the order of the nodes.
    """

    def __init__(self, nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> None:
        self._rank = {node: rank for rank, node in enumerate(nodes)}
        self._targets: list[list[int]] = [[] for _ in nodes]
        self._sources: list[list[int]] = [[] for _ in nodes]
        for start, end in edges:
            self._targets[self._rank[start]].append(self._rank[end])
            self._sources[self._rank[end]].append(self._rank[start])
        self.cycles: list[list[str]] = []
        # One bit for each node upstream: a set of a thousand sets would be a million members.
        self._upstream = [0] * len(nodes)
        for group in self._groups():
            inside = sum(1 << rank for rank in group)
            above = 0
            for rank in group:
                for source in self._sources[rank]:
                    above |= self._upstream[source] | 1 << source
            if above & inside:
                self.cycles.append([nodes[rank] for rank in sorted(group)])
            for rank in group:
                self._upstream[rank] = above
        self.cycles.sort(key=lambda cycle: self._rank[cycle[0]])

    def is_upstream(self, node: str, of: str) -> bool:
        """Whether a path leads from the first node to the second."""
        return bool(self._upstream[self._rank[of]] >> self._rank[node] & 1)

    def reached(self, starts: Iterable[str]) -> set[str]:
        """The nodes that some path from a start leads to, the starts included."""
        pending = [self._rank[start] for start in starts]
        found = set(pending)
        while pending:
            for target in self._targets[pending.pop()]:
                if target not in found:
                    found.add(target)
                    pending.append(target)
        return {node for node, rank in self._rank.items() if rank in found}

    def _groups(self) -> Iterable[list[int]]:
        """The strongly connected components, each after those upstream of it (Tarjan's algorithm)."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        grouped: set[int] = set()
        stack: list[int] = []
        for root in range(len(self._sources)):
            if root in index:
                continue
            index[root] = low[root] = len(index)
            stack.append(root)
            path = [(root, iter(self._sources[root]))]
            while path:
                rank, sources = path[-1]
                for source in sources:
                    if source not in index:
                        index[source] = low[source] = len(index)
                        stack.append(source)
                        path.append((source, iter(self._sources[source])))
                        break
                    if source not in grouped:
                        low[rank] = min(low[rank], index[source])
                else:
                    path.pop()
                    if path:
                        below = path[-1][0]
                        low[below] = min(low[below], low[rank])
                    if low[rank] == index[rank]:
                        group = [stack.pop()]
                        while group[-1] != rank:
                            group.append(stack.pop())
                        grouped.update(group)
                        yield group
