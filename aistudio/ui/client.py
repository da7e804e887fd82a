"""The page's own JSX modules, which are in `assets/client`, wrapped as Reflex components."""

from collections.abc import Mapping
from typing import Any

import reflex as rx
from reflex.vars import VarData

_MODULES = "$/public/client"


def _payload(payload: rx.Var[dict[str, Any]]) -> list[rx.Var[dict[str, Any]]]:
    return [payload]


class Session(rx.Component):
    """Ties the page to the server; draws nothing."""

    library = f"{_MODULES}/session.jsx"
    tag = "Session"

    catalog: rx.Var[dict[str, Any]]
    icons: rx.Var[Any]

    @classmethod
    def get_event_triggers(cls) -> dict[str, Any]:
        """What the page asks of the server, each with one JSON object."""
        asks = ("on_open", "on_commit", "on_run", "on_stop", "on_decide", "on_watch")
        return {**super().get_event_triggers(), **dict.fromkeys(asks, _payload)}


class Canvas(rx.Component):
    """React Flow over the draft."""

    library = f"{_MODULES}/canvas.jsx"
    tag = "Canvas"

    templates: rx.Var[list[dict[str, Any]]]


def _part(module: str, name: str) -> type[rx.Component]:
    """A component without props, exported as `name` by a module."""
    return type(
        name, (rx.Component,), {"library": f"{_MODULES}/{module}", "tag": name, "__module__": __name__}
    )


Palette = _part("palette.jsx", "Palette")
Properties = _part("properties.jsx", "Properties")
RunPanel = _part("panel.jsx", "RunPanel")
WorkflowName = _part("topbar.jsx", "WorkflowName")
SavedState = _part("topbar.jsx", "SavedState")
SaveTrouble = _part("topbar.jsx", "SaveTrouble")
History = _part("topbar.jsx", "History")
Problems = _part("topbar.jsx", "Problems")
RunButton = _part("topbar.jsx", "RunButton")


def icon_components(names: Mapping[str, str]) -> rx.Var[Any]:
    """A JavaScript object of lucide components by key, importing just those that are named."""
    icons = {key: rx.icon(name) for key, name in names.items()}
    entries = ", ".join(f'"{key}": {icon.alias}' for key, icon in icons.items())
    merged = [VarData(imports=icon._get_imports()) for icon in icons.values()]
    return rx.Var(f"({{{entries}}})", _var_data=VarData.merge(*merged))
