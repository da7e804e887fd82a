"""What the page knows of kinds and templates, compiled into the bundle: palette and forms need no server."""

from typing import Any

from aistudio.studio.catalog import Catalog


def kinds(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Each kind as the canvas, the palette and the properties form read it, by its name."""
    return {kind["name"]: _kind(dict(kind)) for kind in catalog.node_kinds()}


def icons(catalog: Catalog) -> dict[str, str]:
    """The lucide icon of each kind."""
    return {kind["name"]: kind["icon"] for kind in catalog.node_kinds()}


def templates(catalog: Catalog) -> list[dict[str, Any]]:
    """The gallery with graphs, for an empty canvas."""
    return [dict(catalog.template(template["slug"])) for template in catalog.templates()]


def _kind(kind: dict[str, Any]) -> dict[str, Any]:
    shown = (
        "title",
        "summary",
        "group",
        "ports",
        "ports_from",
        "port_key",
        "trigger",
        "waits",
        "headline",
        "starter",
    )
    return {"kind": kind["name"], "schema": kind["config_schema"], **{key: kind[key] for key in shown}}
