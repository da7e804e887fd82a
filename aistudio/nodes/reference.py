"""The page about node kinds, docs/nodes.md, written from the kinds themselves.

`python -m aistudio.nodes.reference > docs/nodes.md` brings it up to date.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

from aistudio.graph.kinds import ERROR_PORT
from aistudio.nodes.context import NodeKind
from aistudio.nodes.registry import kinds

_HEAD = f"""\
# Node kinds

<!-- Written by `python -m aistudio.nodes.reference`; do not edit by hand. -->

What each kind of node does, what its `config` takes, and where a run goes on from it. A key that is
not listed is a problem. Where references are taken, `{{{{nodes.some_id.response}}}}` and its like are
replaced by their values. Besides its own, every node has the out port `{ERROR_PORT}`, which is live
only when the node fails under `on_error: route`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *(_section(kind) for kind in kinds().values())])


def _section(kind: NodeKind) -> str:
    spec = kind.spec
    schema = spec.config.model_json_schema()
    ports = [f"`{port}`" for port in spec.ports]
    if spec.ports_from is not None:
        ports.append(f"one for each of `{spec.ports_from.field}`, called by its `{spec.ports_from.name}`")
    return "\n".join(
        [
            f"## {spec.title}: `{spec.name}`\n",
            f"{spec.summary}\n",
            f"{inspect.getdoc(kind.run)}\n",
            "| config | type | default | |",
            "| --- | --- | --- | --- |",
            *_rows(schema, schema.get("$defs", {}), "", spec.templates),
            "",
            f"Out ports: {', '.join(ports)}.\n",
        ]
    )


def _rows(
    schema: dict[str, Any], models: dict[str, Any], prefix: str, templates: tuple[str, ...]
) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        path = prefix + name
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        takes = any(template.rstrip("*").rstrip(".") == path for template in templates)
        references = " Takes references." if takes else ""
        yield f"| `{path}` | {_type(field)} | {default} | {field['description']}{references} |"
        inner = field.get("items", {}).get("$ref")
        if inner is not None:
            yield from _rows(models[inner.rsplit("/", 1)[-1]], models, f"{path}.*.", templates)


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return "list"
    words = {"string": "text", "integer": "whole number"}
    low, high = field.get("minimum"), field.get("maximum")
    if low is None and "exclusiveMinimum" in field:
        low = f"above {field['exclusiveMinimum']}"
    bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    name = str(field["type"])
    return words.get(name, name) + bounds


if __name__ == "__main__":
    sys.stdout.write(page())
