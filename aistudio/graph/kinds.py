"""What a node kind is, as data: its configuration, its ports, where it holds references."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import BaseModel, JsonValue

from aistudio.graph.parsing import children

ERROR_PORT = "error"

Group = Literal["Trigger", "AI", "Logic", "Data", "Output"]
Reads = Literal["references", "predecessors", "ancestors"]


@dataclass(frozen=True, kw_only=True)
class PortsFrom:
    """Out ports that depend on the configuration: one per item of a list field, named by a key.

    Attributes:
        field: the config field that holds the list.
        name: the item's key that names the port.
        label: the item's key that people read.
    """

    field: str
    name: str = "id"
    label: str = "label"


@dataclass(frozen=True, kw_only=True)
class KindSpec:
    """One node kind as the workflow language sees it.

    Attributes:
        name: the `kind` in a workflow's JSON.
        title: what people call it.
        summary: one line for the palette.
        icon: a lucide icon name.
        group: the palette group.
        config: the pydantic model of `config`; unknown keys are refused.
        headline: the config field that says on the card what this node does; empty: the summary does.
        starter: the configuration of a node that was just added.
        ports: out ports every node of this kind has; the reserved `error` port is not listed.
        ports_from: out ports made from the configuration, in its order.
        templates: dotted paths of config texts that take references; `*` stands for any index or key, and
            `**` at the end for the value itself and everything inside it.
        reads: whose outputs it takes besides those its references name: nobody's, its live direct
            predecessors', or all its live ancestors'. Nothing else is loaded for it.
        trigger: whether it starts a run (and takes no incoming edge).
        passes_output: whether agents downstream read its output (decisions and approvals do not).
        port_key: the output's key that names the one live port; null means all ports are live.
        waits: whether it waits for a human, holding no activity.
    """

    name: str
    title: str
    summary: str
    icon: str
    group: Group
    config: type[BaseModel]
    headline: str = ""
    starter: Mapping[str, JsonValue] = field(default_factory=dict)
    ports: tuple[str, ...] = ("out",)
    ports_from: PortsFrom | None = None
    templates: tuple[str, ...] = ()
    reads: Reads = "references"
    trigger: bool = False
    passes_output: bool = True
    port_key: str | None = None
    waits: bool = False

    def out_ports(self, config: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """The out ports of a node with this configuration, without the reserved `error`."""
        if self.ports_from is None:
            return self.ports
        items = config.get(self.ports_from.field)
        names = [
            item.get(self.ports_from.name)
            for item in (items if isinstance(items, list) else [])
            if isinstance(item, dict)
        ]
        return self.ports + tuple(name for name in names if isinstance(name, str))

    def live_ports(self, config: Mapping[str, JsonValue], output: JsonValue) -> tuple[str, ...]:
        """The out ports that carry on after this output; a pinned output decides in the same way."""
        ports = self.out_ports(config)
        if self.port_key is None:
            return ports
        chosen = output.get(self.port_key) if isinstance(output, dict) else None
        return tuple(port for port in ports if port == chosen)

    def texts(self, config: JsonValue) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The configuration's texts that take references, each with where it is."""
        for template in self.templates:
            yield from _texts(config, template.split("."))


Kinds: TypeAlias = Mapping[str, KindSpec]


def _texts(value: JsonValue, keys: list[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    everything = keys == ["**"]
    if isinstance(value, str) and (everything or not keys):
        yield (), value
    for key, child in children(value) if keys else ():
        if everything or keys[0] in ("*", str(key)):
            for inside, text in _texts(child, keys if everything else keys[1:]):
                yield (key, *inside), text
