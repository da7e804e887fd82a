"""The node kinds there are: every module of this package that exports a `KIND`."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import get_args

import aistudio.nodes
from aistudio.graph.kinds import Group, Kinds
from aistudio.nodes.context import NodeKind


@cache
def kinds() -> Mapping[str, NodeKind]:
    """Every kind by its name, in the palette's order.

    Raises:
        ValueError: two modules claim the same name.
    """
    found: dict[str, NodeKind] = {}
    for module in pkgutil.iter_modules(aistudio.nodes.__path__):
        kind = getattr(importlib.import_module(f"aistudio.nodes.{module.name}"), "KIND", None)
        if not isinstance(kind, NodeKind):
            continue
        if kind.spec.name in found:
            raise ValueError(f"two modules in aistudio.nodes define the kind {kind.spec.name!r}")
        found[kind.spec.name] = kind
    groups = get_args(Group)
    ordered = sorted(found.values(), key=lambda kind: (groups.index(kind.spec.group), kind.spec.title))
    return MappingProxyType({kind.spec.name: kind for kind in ordered})


@cache
def specs() -> Kinds:
    """What the kinds are, without what they do: for validation, planning and the catalog."""
    return MappingProxyType({name: kind.spec for name, kind in kinds().items()})
