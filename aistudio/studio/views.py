"""What use cases answer, as JSON: the shapes the page and the REST API pass on unchanged."""

from typing import Generic, Literal, NotRequired, TypeVar

from pydantic import JsonValue
from typing_extensions import TypedDict

from aistudio.graph.errors import ProblemCode
from aistudio.graph.events import EventType, ExecutionStatus, NodeStatus

Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """One page of a list, newest first; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


class Items(TypedDict, Generic[Item]):
    """A whole list."""

    items: list[Item]


class WorkflowSummary(TypedDict):
    """A workflow without its graph. Times are ISO 8601 UTC."""

    id: str
    name: str
    revision: int
    published_version: int | None
    created_at: str
    updated_at: str


class WorkflowView(WorkflowSummary):
    """A workflow with its draft, exactly as it was saved."""

    graph: dict[str, JsonValue]


class VersionSummary(TypedDict):
    """A published version without its graph."""

    workflow_id: str
    version: int
    name: str
    created_at: str


class VersionView(VersionSummary):
    """A published version: it never changes again."""

    graph: dict[str, JsonValue]


class ProblemView(TypedDict):
    """Something wrong with a draft, and where; what does not apply is left out."""

    code: ProblemCode
    severity: Literal["error", "warning"]
    message: str
    node_id: NotRequired[str]
    edge_id: NotRequired[str]
    path: NotRequired[str]


class ProblemsView(TypedDict):
    """Everything that is wrong with a draft."""

    problems: list[ProblemView]


class EditView(TypedDict):
    """A draft after an edit."""

    revision: int
    problems: list[ProblemView]


class ErrorView(TypedDict):
    """Why a node or a run failed."""

    code: str
    message: str


class UsageView(TypedDict):
    """Tokens as the model's provider counted them."""

    input_tokens: int
    output_tokens: int


class ExecutionSummary(TypedDict):
    """A run. `version` is null for a draft, `input` for none, `cost_usd` (US dollars) when unknown."""

    id: str
    workflow_id: str
    version: int | None
    status: ExecutionStatus
    input: JsonValue
    error: ErrorView | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    usage: UsageView
    cost_usd: float | None
    last_sequence: int
    rerun_of: str | None


class NodeView(TypedDict):
    """A node of a run. `text` is what streamed so far, `offset` its length in Unicode code points."""

    status: NodeStatus
    attempt: int
    started_at: str | None
    finished_at: str | None
    output: JsonValue
    error: ErrorView | None
    text: str
    offset: int


class ExecutionView(ExecutionSummary):
    """A run with the graph it runs and where each node stands."""

    graph: dict[str, JsonValue]
    nodes: dict[str, NodeView]


class EventView(TypedDict):
    """One fact about a run."""

    execution_id: str
    sequence: int
    type: EventType
    node_id: str | None
    attempt: int
    timestamp: str
    payload: dict[str, JsonValue]


class SnapshotView(ExecutionView):
    """A run where a watch begins; with its events so far when nothing says where to resume."""

    events: NotRequired[list[EventView]]


class EventPage(TypedDict):
    """Events after a sequence; `last_sequence` is the last one here, and where to go on when `has_more`."""

    events: list[EventView]
    last_sequence: int
    has_more: bool


class SampleView(TypedDict):
    """An input to try a template with, and the decision's branch it should take; null where that is open."""

    label: str
    input: str
    branch: str | None


class TemplateSummary(TypedDict):
    """A template of the gallery."""

    slug: str
    name: str
    description: str
    outcome: str


class TemplateView(TemplateSummary):
    """A template with its workflow."""

    samples: list[SampleView]
    graph: dict[str, JsonValue]


class PortsFromView(TypedDict):
    """Out ports made from the configuration: one per item of `field`, named by `name`, read as `label`."""

    field: str
    name: str
    label: str


class NodeKindView(TypedDict):
    """A node kind: what the palette, the properties form and a program need to know of it.

    `port_key` names the key of the output that holds the one live port, null when all are live; `headline`
    the config field that a card shows; `starter` is the config of a node just added.
    """

    name: str
    title: str
    summary: str
    icon: str
    group: str
    ports: list[str]
    ports_from: PortsFromView | None
    port_key: str | None
    trigger: bool
    waits: bool
    headline: str
    starter: dict[str, JsonValue]
    config_schema: dict[str, JsonValue]


class ModelView(TypedDict):
    """Who answers agents that name no model; `simulated` when no key is set."""

    model: str
    simulated: bool


class HealthView(TypedDict):
    """How the studio is: each check is `ok` or a sentence about what is wrong."""

    status: str
    version: str
    checks: dict[str, str]
