"""Decision: sends the run down the first branch whose conditions hold."""

from pydantic import BaseModel, ConfigDict, Field

from aistudio.graph.conditions import Branch, choose
from aistudio.graph.kinds import KindSpec, PortsFrom
from aistudio.nodes.context import NodeContext, NodeKind, NodeResult


class DecisionConfig(BaseModel):
    """What a decision can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Decision")

    branches: list[Branch] = Field(
        title="Branches",
        description="Looked at in order; the first that matches is taken, one without conditions always is.",
        json_schema_extra={"x-control": "branches"},
    )


async def run(config: DecisionConfig, context: NodeContext) -> NodeResult:
    """Output the id of the first branch that matches as `branch`; the run goes on from its port.

    When none matches the node fails, so the last branch had better have no conditions.
    """
    branch = choose(config.branches, context.scope)
    return NodeResult(output={"branch": branch}, details={"branch": branch})


KIND = NodeKind(
    spec=KindSpec(
        name="decision",
        title="Decision",
        summary="Goes on along the first branch that matches.",
        icon="split",
        group="Logic",
        config=DecisionConfig,
        headline="branches",
        starter={
            "branches": [
                {
                    "id": "match",
                    "label": "Match",
                    "conditions": [{"left": "{{trigger.input}}", "operator": "contains", "right": ""}],
                },
                {"id": "otherwise", "label": "Everything else", "conditions": []},
            ]
        },
        ports=(),
        ports_from=PortsFrom(field="branches"),
        templates=("branches.*.conditions.*.left", "branches.*.conditions.*.right"),
        passes_output=False,
        port_key="branch",
    ),
    run=run,
)
