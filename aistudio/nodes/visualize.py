"""Visualize: shows what came in as a document, a table, figures, a chart or a diagram."""

import asyncio
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from aistudio.graph.kinds import KindSpec
from aistudio.nodes.context import NodeContext, NodeKind, NodeResult, Upstream
from aistudio.nodes.formats import Mode, adapt
from aistudio.nodes.upstream import TEXT_KEYS, text_of


class VisualizeConfig(BaseModel):
    """What a visualisation can be told."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Visualize")

    mode: Mode = Field(
        default="auto",
        title="Show as",
        description="How to show the result; auto looks at it and decides.",
    )


def gathered(predecessors: Sequence[Upstream]) -> JsonValue:
    """What there is to show: one predecessor's text or JSON, or the texts of several."""
    if len(predecessors) == 1:
        return _shown(predecessors[0].output)
    return "\n\n".join(text_of(node.output) for node in predecessors)


def _shown(output: JsonValue) -> JsonValue:
    if isinstance(output, dict):
        if any(isinstance(output.get(key), str) for key in TEXT_KEYS):
            return text_of(output)
        if output.keys() == {"format", "content"}:
            return output["content"]
    return output


async def run(config: VisualizeConfig, context: NodeContext) -> NodeResult:
    """Output `format` and `content`.

    What came in is the text (or else the JSON) of the node before, or of several joined by blank
    lines. `auto` shows mermaid source as a diagram, `[{"label", "value"}]` and `{"type", "data"}` as a
    chart, a list of objects and CSV as a table, an object of plain values as figures, any other JSON
    as JSON, and everything else as Markdown. Any other mode converts what it can (a chart from a
    table's first column of numbers, a table from CSV or from a table in Markdown) and shows what it
    cannot as `auto` would.

    `content` is text for `markdown`, `text` and `diagram`, a list of objects for `table`, one object of
    label and value for `stat_cards`, `{"type", "data": [{"label", "value"}]}` for `chart`, and any JSON
    for `json`.
    """
    # Megabytes of CSV take seconds, and the loop has other nodes to serve.
    shown = await asyncio.to_thread(adapt, gathered(context.predecessors()), config.mode)
    return NodeResult(output={"format": shown["format"], "content": shown["content"]})


KIND = NodeKind(
    spec=KindSpec(
        name="visualize",
        title="Visualize",
        summary="Shows the result as a document, table, chart or diagram.",
        icon="chart-column",
        group="Output",
        config=VisualizeConfig,
        headline="mode",
        reads="predecessors",
    ),
    run=run,
)
