"""Which connections may be drawn. The browser has the same rules, held to the same test vectors."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Reason = Literal["unknown_node", "self_loop", "into_trigger", "unknown_port", "duplicate", "cycle"]


@dataclass(frozen=True, kw_only=True)
class End:
    """A node as connecting sees it; `ports` are all its out ports, the reserved `error` among them."""

    ports: Collection[str]
    trigger: bool = False


class Connection(NamedTuple):
    """A wire, drawn or about to be drawn."""

    source: str
    source_port: str
    target: str
    target_port: str


def refusal(nodes: Mapping[str, End], edges: Collection[Connection], wanted: Connection) -> Reason | None:
    """Why a connection may not be drawn, or null when it may. The first reason that applies, in this order:

    an end does not exist, both ends are one node, the target is a trigger, an end has no such port,
    the same ports are connected already, the target leads to the source.
    """
    if wanted.source not in nodes or wanted.target not in nodes:
        return "unknown_node"
    if wanted.source == wanted.target:
        return "self_loop"
    if nodes[wanted.target].trigger:
        return "into_trigger"
    if wanted.target_port != "in" or wanted.source_port not in nodes[wanted.source].ports:
        return "unknown_port"
    if wanted in edges:
        return "duplicate"
    return "cycle" if _leads_to(wanted.target, wanted.source, edges) else None


def _leads_to(start: str, goal: str, edges: Collection[Connection]) -> bool:
    targets: dict[str, list[str]] = {}
    for edge in edges:
        targets.setdefault(edge.source, []).append(edge.target)
    pending = [start]
    seen = {start}
    while pending:
        for target in targets.get(pending.pop(), ()):
            if target == goal:
                return True
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return False
