"""What a node is given of the nodes above it: no more than it reads, for outputs may be megabytes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncConnection

from aistudio.engine.snapshots import Snapshot
from aistudio.graph import references
from aistudio.graph.events import EventType
from aistudio.graph.kinds import Kinds, KindSpec
from aistudio.graph.lineage import absorbed_ports, live_ancestors, live_predecessors
from aistudio.store import results


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Outputs from upstream.

    Attributes:
        upstream: the nodes whose outputs the kind takes (`KindSpec.reads`), in order.
        outputs: those nodes' outputs and the ones that references name, by node id.
    """

    upstream: list[str] = field(default_factory=list)
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)


async def read(
    connection: AsyncConnection, execution_id: str, snapshot: Snapshot, node_id: str, kinds: Kinds
) -> Inputs:
    """The inputs of a node that is about to run."""
    node = snapshot.nodes[node_id]
    spec = kinds[node.kind]
    ancestors = snapshot.ancestors(node_id)
    named = {
        reference.node_id
        for _, text in spec.texts(node.config)
        for reference in references.find(text)
        if reference.node_id in ancestors
    }
    upstream = []
    if spec.reads == "predecessors":
        sources = snapshot.sources[node_id]
        _, live = await _settled(connection, execution_id, snapshot, sources, kinds)
        upstream = live_predecessors(snapshot.workflow, node_id, live)
    elif spec.reads == "ancestors":
        types, live = await _settled(connection, execution_id, snapshot, ancestors, kinds)
        upstream = [
            ancestor
            for ancestor in live_ancestors(snapshot.workflow, node_id, live)
            if types[ancestor] is EventType.NODE_COMPLETED and _spec(snapshot, ancestor, kinds).passes_output
        ]
    outputs = await results.outputs(connection, execution_id, {*named, *upstream})
    return Inputs(upstream=upstream, outputs=outputs)


async def _settled(
    connection: AsyncConnection,
    execution_id: str,
    snapshot: Snapshot,
    node_ids: Collection[str],
    kinds: Kinds,
) -> tuple[dict[str, EventType], dict[str, tuple[str, ...]]]:
    """How those of the nodes that have a result came by it, and which of their ports are live."""
    found = await results.types(connection, execution_id)
    types = {node_id: found[node_id] for node_id in node_ids if node_id in found}
    choosing = [node_id for node_id in types if _spec(snapshot, node_id, kinds).port_key is not None]
    chosen = await results.outputs(connection, execution_id, choosing)
    live = {}
    for node_id, settled_by in types.items():
        node, spec = snapshot.nodes[node_id], _spec(snapshot, node_id, kinds)
        if settled_by is EventType.NODE_FAILED:
            live[node_id] = absorbed_ports(node, spec)
        else:
            live[node_id] = spec.live_ports(node.config, chosen.get(node_id))
    return types, live


def _spec(snapshot: Snapshot, node_id: str, kinds: Kinds) -> KindSpec:
    return kinds[snapshot.nodes[node_id].kind]
