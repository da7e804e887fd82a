"""A node is given the outputs that it reads, and no others are loaded."""

import pytest

from aistudio.engine import inputs
from aistudio.engine.snapshots import Snapshots
from aistudio.nodes import registry
from aistudio.store import events, executions, workflows
from aistudio.store.database import Database
from tests.engine.runs import OWNER

DECIDE = {
    "branches": [{"id": "yes", "label": "", "conditions": []}, {"id": "no", "label": "", "conditions": []}]
}


@pytest.mark.parametrize(
    ("kind", "config", "upstream", "loaded"),
    [
        # Everything that completed on a live path, without decisions; and what it refers to.
        (
            "ai_agent",
            {"system_prompt": "{{nodes.broken.error}} {{nodes.hidden.x?}} {{nodes.nobody.x?}}"},
            ["t", "first", "second"],
            {"t", "first", "second", "broken"},
        ),
        # What is right before it on a live edge, decisions and absorbed failures, too.
        ("visualize", {}, ["second", "broken"], {"second", "broken"}),
        # Only what its conditions name.
        (
            "decision",
            {
                "branches": [
                    {"id": "x", "conditions": [{"left": "{{nodes.first.n}}", "operator": "is_empty"}]}
                ]
            },
            [],
            {"first"},
        ),
    ],
)
async def test_what_a_node_reads_is_what_is_loaded(
    database: Database, kind: str, config: dict[str, object], upstream: list[str], loaded: set[str]
) -> None:
    nodes: list[dict[str, object]] = [
        {"id": "t", "kind": "trigger"},
        *({"id": name, "kind": "visualize"} for name in ("first", "second", "third", "hidden")),
        {"id": "broken", "kind": "visualize", "on_error": "continue"},
        {"id": "d", "kind": "decision", "config": DECIDE},
        {"id": "reader", "kind": kind, "config": config},
    ]
    wires = ["t>first", "first>d", "d.yes>second", "d.no>third", "t>broken", "t>hidden"]
    wires += ["second>reader", "third>reader", "broken>reader"]
    graph = {
        "nodes": nodes,
        "edges": [
            {
                "source": source.partition(".")[0],
                "source_port": source.partition(".")[2] or "out",
                "target": target,
            }
            for source, _, target in (wire.partition(">") for wire in wires)
        ],
    }
    workflow = await workflows.create(database, OWNER, name="", graph=graph)
    run_id, _ = await executions.create(database, OWNER, workflow_id=workflow.id, version=None, graph=graph)
    for name in ("t", "first", "second", "hidden"):
        await events.complete_node(database, run_id, name, attempt=1, output={"n": name}, duration_ms=1)
    await events.complete_node(database, run_id, "d", attempt=1, output={"branch": "yes"}, duration_ms=1)
    await events.fail_node(
        database, run_id, "broken", attempt=1, code="timeout", message="Late.", absorbed=True
    )
    snapshot = await Snapshots(database).get(run_id)
    async with database.connect() as connection:
        found = await inputs.read(connection, run_id, snapshot, "reader", registry.specs())
    assert found.upstream == upstream
    assert set(found.outputs) == loaded
