"""Everything that is wrong with a workflow, found at once (contract, section 2)."""

import json
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from aistudio.graph.definition import Workflow
from aistudio.graph.errors import ProblemCode
from aistudio.graph.kinds import ERROR_PORT, Kinds, KindSpec
from aistudio.graph.limits import MAX_EDGES, MAX_NODES, MAX_SIZE, within_limits
from aistudio.graph.parsing import Refusal, members, read, refusals
from aistudio.graph.problems import Location, Problem, Report
from aistudio.graph.references import NAMESPACES, find, find_malformed, shortened
from aistudio.graph.topology import Topology

__all__ = ["MAX_EDGES", "MAX_NODES", "MAX_SIZE", "Problem", "Validation", "validate"]


@dataclass(frozen=True)
class Validation:
    """What validation found: the problems, and the workflow unless one of them is an error."""

    problems: list[Problem]
    workflow: Workflow | None


@dataclass(frozen=True)
class _Step:
    """A node as far as it can be made out; `ports` are all its out ports, null when they cannot be told."""

    at: tuple[str, int]
    id: str | None
    spec: KindSpec | None
    config: dict[str, JsonValue]
    ports: frozenset[str] | None

    @property
    def is_trigger(self) -> bool:
        return self.spec is not None and self.spec.trigger


@dataclass
class _Graph:
    """All nodes, the first of each id by that id, and the wires between two that exist."""

    steps: list[_Step] = field(default_factory=list)
    named: dict[str, _Step] = field(default_factory=dict)
    wires: list[tuple[str, str]] = field(default_factory=list)


def validate(raw: JsonValue, kinds: Kinds) -> Validation:
    """Judge any JSON as a workflow. Never raises; what is too large is judged no further."""
    if not isinstance(raw, dict):
        report = Report({})
        report.add(ProblemCode.INVALID_CONFIG, (), "A workflow is a JSON object.")
        return Validation(report.problems, None)
    report = Report(raw)
    text = within_limits(raw, report)
    if text is None:
        return Validation(report.problems, None)
    workflow = _read_document(raw, text, report)
    graph = _Graph()
    _check_nodes(members(raw, "nodes"), kinds, graph, report)
    _check_edges(members(raw, "edges"), graph, report)
    _check_shape(graph, report)
    return Validation(report.problems, None if report.failed else workflow)


def _read_document(raw: dict[str, JsonValue], text: str, report: Report) -> Workflow | None:
    try:
        return read(Workflow, text)
    except ValidationError as error:
        for refusal in refusals(error, raw):
            code = ProblemCode.INVALID_CONFIG
            if refusal.inside[2:] == ("target_port",) and isinstance(refusal.value, str):
                code = ProblemCode.UNKNOWN_PORT
            report.add(code, refusal.inside, refusal.message)
        return None


def _check_nodes(nodes: list[JsonValue], kinds: Kinds, graph: _Graph, report: Report) -> None:
    for index, raw in enumerate(nodes):
        at = ("nodes", index)
        if not isinstance(raw, dict):
            continue
        kind, config, node_id = raw.get("kind"), raw.get("config", {}), raw.get("id")
        spec = kinds.get(kind) if isinstance(kind, str) else None
        if spec is None and isinstance(kind, str):
            report.add(ProblemCode.UNKNOWN_KIND, (*at, "kind"), f"There is no kind of node called `{kind}`.")
        if not isinstance(config, dict):
            config = {}
        elif spec is not None:
            _check_config(spec, config, (*at, "config"), report)
        name = node_id if isinstance(node_id, str) and node_id else None
        step = _Step(at, name, spec, config, _ports(spec, config))
        graph.steps.append(step)
        if name is not None and graph.named.setdefault(name, step) is not step:
            message = f"Another node before this one is called `{name}`, too."
            report.add(ProblemCode.DUPLICATE_ID, (*at, "id"), message)


def _ports(spec: KindSpec | None, config: dict[str, JsonValue]) -> frozenset[str] | None:
    if spec is None:
        return None
    if spec.ports_from is not None and not isinstance(config.get(spec.ports_from.field, []), list):
        return None
    return frozenset((*spec.out_ports(config), ERROR_PORT))


def _check_config(spec: KindSpec, config: dict[str, JsonValue], at: Location, report: Report) -> None:
    listed = spec.ports_from.field if spec.ports_from is not None else None
    no_ports = listed is not None and config.get(listed, []) == []
    if no_ports and listed is not None:
        message = f"{spec.title} needs at least one way out."
        report.add(ProblemCode.NO_BRANCHES, (*at, listed), message)
    for refusal in _refused(spec, config):
        if not (no_ports and refusal.inside == (listed,) and refusal.type != "missing"):
            report.add(ProblemCode.INVALID_CONFIG, (*at, *refusal.inside), refusal.message)
    if spec.ports_from is None:
        return
    taken = {ERROR_PORT, *spec.ports}
    for index, item in enumerate(members(config, spec.ports_from.field)):
        name = item.get(spec.ports_from.name) if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in taken:
            reason = "is reserved" if name == ERROR_PORT else "is used twice"
            place = (*at, spec.ports_from.field, index, spec.ports_from.name)
            report.add(ProblemCode.INVALID_CONFIG, place, f"The name `{name}` {reason}. Choose another.")
        taken.add(name)


def _refused(spec: KindSpec, config: dict[str, JsonValue]) -> list[Refusal]:
    try:
        read(spec.config, json.dumps(config))
    except ValidationError as error:
        return refusals(error, config)
    return []


def _check_edges(edges: list[JsonValue], graph: _Graph, report: Report) -> None:
    seen: set[str] = set()
    for index, raw in enumerate(edges):
        at = ("edges", index)
        if not isinstance(raw, dict):
            continue
        edge_id = raw.get("id")
        if isinstance(edge_id, str):
            if edge_id in seen:
                message = f"Another edge before this one is called `{edge_id}`, too."
                report.add(ProblemCode.DUPLICATE_ID, (*at, "id"), message)
            seen.add(edge_id)
        source, target = raw.get("source"), raw.get("target")
        for end, node_id in (("source", source), ("target", target)):
            if isinstance(node_id, str) and node_id not in graph.named:
                report.add(ProblemCode.UNKNOWN_NODE, (*at, end), f"There is no node called `{node_id}`.")
        if isinstance(source, str) and source in graph.named:
            _check_source_port(raw.get("source_port", "out"), graph.named[source], at, report)
            if isinstance(target, str) and target in graph.named:
                graph.wires.append((source, target))
        if isinstance(target, str) and target in graph.named and graph.named[target].is_trigger:
            message = f"`{target}` is a trigger: nothing can lead into it."
            report.add(ProblemCode.UNKNOWN_PORT, (*at, "target"), message)


def _check_source_port(port: JsonValue, source: _Step, at: Location, report: Report) -> None:
    if source.ports is None or not isinstance(port, str) or port in source.ports:
        return
    message = f"`{source.id}` has no out port called `{port}`."
    report.add(ProblemCode.UNKNOWN_PORT, (*at, "source_port"), message)


def _check_shape(graph: _Graph, report: Report) -> None:
    topology = Topology(list(graph.named), graph.wires)
    if not any(step.is_trigger for step in graph.steps):
        message = "Nothing starts this workflow. Add a trigger."
        report.add(ProblemCode.NO_TRIGGER, ("nodes",), message)
    for cycle in topology.cycles:
        names = ", ".join(f"`{node_id}`" for node_id in cycle[:10]) + (", …" if len(cycle) > 10 else "")
        message = f"These wait for each other and could never start: {names}."
        if len(cycle) == 1:
            message = f"{names} leads into itself and could never start."
        report.add(ProblemCode.CYCLE, graph.named[cycle[0]].at, message)
    for step in graph.steps:
        for inside, text in step.spec.texts(step.config) if step.spec is not None else ():
            at = (*step.at, "config", *inside)
            _check_references(text, at, step.id, graph, topology, report)
    connected = topology.reached(name for name, step in graph.named.items() if step.is_trigger)
    for name, step in graph.named.items():
        if name not in connected:
            message = "No trigger leads here: this node will never run."
            report.add(ProblemCode.NOT_CONNECTED, step.at, message, "warning")


def _check_references(
    text: str, at: Location, reader: str | None, graph: _Graph, topology: Topology, report: Report
) -> None:
    for piece in dict.fromkeys(find_malformed(text)):
        message = f"{shortened(piece)} cannot be read. References look like {{{{nodes.id.response}}}}."
        report.add(ProblemCode.MALFORMED_REFERENCE, at, message)
    for reference in dict.fromkeys(find(text)):
        if reference.namespace not in NAMESPACES:
            message = f"{reference}: `{reference.namespace}` is none of {', '.join(NAMESPACES)}."
            report.add(ProblemCode.UNKNOWN_NAMESPACE, at, message)
        source = reference.node_id
        if source is None or reference.fallback is not None:
            continue
        if source not in graph.named:
            message = f"{reference}: there is no node called `{source}`."
            report.add(ProblemCode.UNKNOWN_REFERENCE, at, message)
        elif reader is not None and not topology.is_upstream(source, reader):
            message = f"{reference}: no path leads from `{source}` to this node."
            report.add(ProblemCode.UNKNOWN_REFERENCE, at, message)
