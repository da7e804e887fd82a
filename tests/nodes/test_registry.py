"""The registry, and what every kind in it owes the page, the docs and the validator."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aistudio.nodes
from aistudio.nodes import registry
from aistudio.nodes.context import NodeKind

CONTROLS = {
    "text",
    "template",
    "template-line",
    "template-pairs",
    "template-json",
    "model",
    "json-schema",
    "branches",
}
KINDS = list(registry.kinds().values())


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a JSON Schema and of its definitions."""
    for part in [schema, *schema.get("$defs", {}).values()]:
        yield from part.get("properties", {}).items()


def test_the_palette_order_begins_with_the_trigger() -> None:
    assert list(registry.kinds()) == [
        "trigger",
        "ai_agent",
        "approval",
        "decision",
        "http_request",
        "transform",
        "visualize",
    ]
    assert list(registry.specs()) == list(registry.kinds())


def test_a_kind_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(aistudio.nodes.__path__[0], "trigger.py").read_text()
    (tmp_path / "webhook.py").write_text(source.replace('name="trigger"', 'name="webhook"'))
    monkeypatch.setattr(aistudio.nodes, "__path__", [*aistudio.nodes.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "aistudio.nodes.webhook", raising=False)
    importlib.invalidate_caches()

    found = registry.kinds.__wrapped__()

    assert set(found) == {*registry.kinds(), "webhook"}
    assert found["webhook"].spec.trigger


def test_two_kinds_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(aistudio.nodes.__path__[0], "trigger.py").read_text()
    (tmp_path / "trigger_again.py").write_text(source)
    monkeypatch.setattr(aistudio.nodes, "__path__", [*aistudio.nodes.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="'trigger'"):
        registry.kinds.__wrapped__()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.spec.name)
def test_every_kind_says_what_the_form_the_palette_and_the_docs_need(kind: NodeKind) -> None:
    spec = kind.spec
    assert spec.title
    assert spec.icon
    assert spec.summary.endswith(".")
    assert "\n" not in spec.summary
    schema = spec.config.model_json_schema()
    assert schema["additionalProperties"] is False
    for name, described in fields(schema):
        assert described.get("title"), name
        assert described.get("description"), name
        assert described.get("x-control", "text") in CONTROLS, name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.spec.name)
def test_a_kind_that_waits_has_a_question(kind: NodeKind) -> None:
    assert kind.spec.waits == (kind.ask is not None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.spec.name)
def test_a_field_takes_references_where_its_control_says_so(kind: NodeKind) -> None:
    marked = {
        name
        for name, described in fields(kind.spec.config.model_json_schema())
        if described.get("x-control", "").startswith("template")
    }
    assert marked == {path.rstrip(".*").rsplit(".", 1)[-1] for path in kind.spec.templates}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.spec.name)
def test_a_node_that_was_just_added_can_run(kind: NodeKind) -> None:
    kind.spec.config.model_validate(kind.spec.starter)
