"""Format detection and conversion: what people and models write, and how it is shown."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from aistudio.nodes.formats import Mode, adapt, detect

POINTS: JsonValue = [{"label": "North", "value": 3}, {"label": "South", "value": 4.5}]
BAR: JsonValue = {"type": "bar", "data": POINTS}
FLOW = "graph TD\n  A[Start] --> B{OK?}\n  B -->|yes| C[Done]"

DIAGRAMS = [
    FLOW,
    "flowchart LR; A-->B",
    "flowchart\n  A --> B",
    "%% a comment\nflowchart RL\nA --- B",
    '%%{init: {"theme": "dark"}}%%\ngraph LR\n  A-->B',
    "---\ntitle: Order\n---\nflowchart LR\n  A --> B",
    "sequenceDiagram\n  Alice->>Bob: Hello, Bob",
    "classDiagram\n  Animal <|-- Duck",
    "stateDiagram-v2\n  [*] --> Still",
    "erDiagram\n  CUSTOMER ||--o{ ORDER : places",
    'pie\n  "Dogs" : 386\n  "Cats" : 85',
    'pie showData title Pets\n  "Dogs" : 386',
    "gantt\n  title A plan\n  dateFormat YYYY-MM-DD\n  section One\n  Task :a1, 2026-01-01, 30d",
    "journey\n  title My day\n  section Work\n  Make tea: 5: Me",
    "mindmap\n  root((ideas))\n    one",
    "timeline\n  title History\n  2002 : LinkedIn",
    "gitGraph\n  commit\n  branch develop",
    "quadrantChart\n  x-axis Low --> High",
    "xychart-beta\n  x-axis [jan, feb]\n  bar [5, 6]",
    "C4Context\n  Person(a, b)",
]

PROSE = [
    "graph theory is a branch of mathematics.",
    "graph TD is a header that mermaid knows.",
    "graph\nthis is a word, and nothing else",
    "Graph TD\nA-->B is what one writes.",
    "pie is delicious.\nI like apple pie: 3 slices a day.",
    "pie\nis what we had for lunch",
    "pie charts are misleading",
    "journey home\nit was long",
    "gantt\nNote: a chart for plans",
    "journey\nsection two was hard: very hard",
    "timeline\nWe start on Monday and end on Friday.",
    "block\nprint is easier to read",
    "mindmap\nis a tool for thought",
    "flowchart of the process\n1. Start\n2. End",
    "sequenceDiagram is a keyword of mermaid.",
    "sequenceDiagram",
    "graph TD",
    "%% only a comment",
]

COMMA_PROSE = [
    "Dear Anna,\nthank you for your message, we will answer soon.",
    "First, we collect the data.\nThen, we clean it.",
    "apples, pears, plums\nbread, milk, eggs",
    "Yes, of course\nNo, not today",
    "Hello, world",
    "one,two",
    "We met Ann, Bob and Carl.\nThey like tea, coffee and milk.\nIt rained, snowed and hailed.",
    "- red, 1\n- green, 2",
    "1. red, big\n2. green, small",
    "In 2020, 5 of them left\nIn 2021, 7 of them came",
    "a,b\n\nc,d",
    "a,b\n1,2,3",
    "a,a\n1,2",
    ",b\n1,2",
    "x\n1\n2",
    "| a | b |\n| --- | --- |\n| 1 | 2 |",
    "foo(a,b)\nbar(c,d)",
    "Revenue, 2020\nCosts, 2021",
    "A first paragraph; it has two parts.\nA second one; it has two as well.",
]

CSV: list[tuple[str, list[dict[str, JsonValue]]]] = [
    ("name,qty\nNut,10\nBolt,4", [{"name": "Nut", "qty": "10"}, {"name": "Bolt", "qty": "4"}]),
    ("name, qty\nNut, 10\n", [{"name": "Nut", "qty": "10"}]),
    (
        "city,country\nRome,Italy\nLyon,France",
        [{"city": "Rome", "country": "Italy"}, {"city": "Lyon", "country": "France"}],
    ),
    ('id,comment\n1,"Great, thanks.\nReally."', [{"id": "1", "comment": "Great, thanks.\nReally."}]),
    ('name,quote\nAnn,"say ""hi"""', [{"name": "Ann", "quote": 'say "hi"'}]),
    (
        "Stadt;Wert\nBerlin;3,5\nBonn;4,1",
        [{"Stadt": "Berlin", "Wert": "3,5"}, {"Stadt": "Bonn", "Wert": "4,1"}],
    ),
    ("Region,2020,2021\nNorth,5,6", [{"Region": "North", "2020": "5", "2021": "6"}]),
    ("a,b\n1,x\u2028y", [{"a": "1", "b": "x\u2028y"}]),
    ("a\tb\n1\t2", [{"a": "1", "b": "2"}]),
    ("id,due\n007,2026-01-02\r\n008,", [{"id": "007", "due": "2026-01-02"}, {"id": "008", "due": ""}]),
    ("item,price\nTea,$3.50\nCake,€4", [{"item": "Tea", "price": "$3.50"}, {"item": "Cake", "price": "€4"}]),
]


@pytest.mark.parametrize("source", DIAGRAMS)
def test_mermaid_is_a_diagram_bare_and_fenced(source: str) -> None:
    assert detect(source) == {"format": "diagram", "content": source}
    assert detect(f"```mermaid\n{source}\n```") == {"format": "diagram", "content": source}
    assert detect(f"```\n{source}\n```")["format"] == "diagram"


@pytest.mark.parametrize("text", PROSE)
def test_prose_that_begins_like_a_diagram_stays_prose(text: str) -> None:
    assert detect(text) == {"format": "markdown", "content": text}


@pytest.mark.parametrize("text", COMMA_PROSE)
def test_prose_with_commas_is_no_csv(text: str) -> None:
    assert detect(text) == {"format": "markdown", "content": text}


@pytest.mark.parametrize(("text", "rows"), CSV)
def test_csv_is_a_table_whose_cells_stay_as_written(text: str, rows: list[JsonValue]) -> None:
    assert detect(text) == {"format": "table", "content": rows}
    assert detect(f"```csv\n{text}\n```")["content"] == rows


@pytest.mark.parametrize(
    ("value", "chart"),
    [
        (POINTS, BAR),
        (BAR, BAR),
        ({"type": "PieChart", "title": "x", "data": POINTS}, {"type": "pie", "data": POINTS}),
        ({"type": "doughnut", "data": POINTS}, {"type": "donut", "data": POINTS}),
        (
            {"type": "line", "data": [{"name": "Q1", "sales": "12"}]},
            {"type": "line", "data": [{"label": "Q1", "value": 12}]},
        ),
        (
            {"type": "area", "data": [{"x": 2020, "y": 1}]},
            {"type": "area", "data": [{"label": "2020", "value": 1}]},
        ),
        (
            {"type": "bar", "data": {"labels": ["a"], "datasets": [{"data": [2]}]}},
            {"type": "bar", "data": [{"label": "a", "value": 2}]},
        ),
        ([{"label": 2020, "value": -1}], {"type": "bar", "data": [{"label": "2020", "value": -1}]}),
    ],
)
def test_charts(value: JsonValue, chart: JsonValue) -> None:
    assert detect(value) == {"format": "chart", "content": chart}
    assert detect(json.dumps(value)) == {"format": "chart", "content": chart}


@pytest.mark.parametrize(
    ("value", "format"),
    [
        ([{"a": 1}, {"b": [2]}], "table"),
        ([{"label": "a", "value": "many"}], "table"),
        ([{"label": "a", "value": True}], "table"),
        ([{"label": "a", "value": 1, "note": "kept"}], "table"),
        ({"revenue": 12.5, "open": True, "owner": None, "note": ""}, "stat_cards"),
        ({"type": "invoice", "number": 7}, "stat_cards"),
        ({"type": "invoice", "data": POINTS}, "json"),
        ({"type": "bar", "data": []}, "json"),
        ({"type": "bar", "data": {"labels": ["a"], "datasets": [{"data": [1]}, {"data": [2]}]}}, "json"),
        ({"a": {"b": 1}}, "json"),
        ({"a": [1]}, "json"),
        ([1, 2], "json"),
        ([{"a": 1}, 2], "json"),
        ([], "json"),
        ({}, "json"),
    ],
)
def test_other_json_is_kept_whole(value: JsonValue, format: str) -> None:
    assert detect(value) == {"format": format, "content": value}
    assert detect(f"  {json.dumps(value)}\n") == {"format": format, "content": value}
    assert detect(f"```json\n{json.dumps(value, indent=2)}\n```") == {"format": format, "content": value}


def test_a_short_lead_in_before_a_named_fence_is_dropped_a_document_around_it_is_kept() -> None:
    fence = f"```json\n{json.dumps(POINTS)}\n```"
    assert detect(f"Here is the chart:\n\n{fence}\n\nAnything else?")["content"] == BAR
    assert detect(f"Sure:\n```mermaid\n{FLOW}\n```")["content"] == FLOW
    for document in (
        f"# Report\n{fence}",
        f"- see below\n{fence}",
        f"{'long ' * 60}\n{fence}",
        f"{fence}\n{fence}",
    ):
        assert detect(document) == {"format": "markdown", "content": document}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Just a sentence.",
        "# Title\n\n- one\n- two",
        "42",
        "true",
        '"quoted"',
        "{not json}",
        "[link](https://example.org)",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1',
        "[" * 100_000,
        "[" * 500 + "]" * 500,
        "```python\n[1, 2]\n```",
        '```json\n{"a": 1}',
        "Look:\n```\n[1, 2]\n```",
        "```\nplain code\n```",
    ],
)
def test_everything_else_is_markdown_as_it_is(text: str) -> None:
    assert detect(text) == {"format": "markdown", "content": text}


def test_explicit_markdown_text_and_json_take_everything() -> None:
    assert adapt("*x*", "markdown") == {"format": "markdown", "content": "*x*"}
    assert adapt({"a": [1]}, "markdown") == {
        "format": "markdown",
        "content": '```json\n{\n  "a": [\n    1\n  ]\n}\n```',
    }
    assert adapt(json.dumps(POINTS), "text") == {"format": "text", "content": json.dumps(POINTS)}
    assert adapt({"ä": 1}, "text") == {"format": "text", "content": '{\n  "ä": 1\n}'}
    assert adapt(f"```json\n{json.dumps(BAR)}\n```", "json") == {"format": "json", "content": BAR}
    assert adapt("prose", "json") == {"format": "json", "content": "prose"}


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ([{"a": 1}], [{"a": 1}]),
        ('{"items": [{"a": 1}], "total": 1}', [{"a": 1}]),
        (BAR, POINTS),
        ([["a", "b"], [1, 2]], [{"a": 1, "b": 2}]),
        ([["a", "a"], [1, 2]], [{"a": 1, "a (2)": 2}]),
        ([1, "x"], [{"value": 1}, {"value": "x"}]),
        ({"a": 1, "b": {"c": 2}}, [{"field": "a", "value": 1}, {"field": "b", "value": {"c": 2}}]),
        ("name, city\nBob, Rome", [{"name": "Bob", "city": "Rome"}]),
        (
            "Here you are:\n\n| Name | Qty |\n|:-----|----:|\n| a \\| b | 1 |\n| c |\n\nDone.",
            [{"Name": "a | b", "Qty": "1"}, {"Name": "c", "Qty": ""}],
        ),
        ("a | b\n--|--\n1 | 2", [{"a": "1", "b": "2"}]),
        ("intro, with comma\n```csv\nx,y\n1,2\n```", [{"x": "1", "y": "2"}]),
    ],
)
def test_table(value: JsonValue, rows: JsonValue) -> None:
    assert adapt(value, "table") == {"format": "table", "content": rows}


@pytest.mark.parametrize(
    ("value", "cards"),
    [
        ({"a": 1, "b": None}, {"a": 1, "b": None}),
        ({"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]}, {"a.b": 1, "a.c.d": 2, "e": "[1,2]"}),
        (POINTS, {"North": 3, "South": 4.5}),
        (BAR, {"North": 3, "South": 4.5}),
        ('[{"k": "a", "v": 1}, {"k": "a", "v": 2}]', {"a": 1, "a (2)": 2}),
        ([{"name": "Ann", "age": 7, "town": "Rome"}], {"name": "Ann", "age": 7, "town": "Rome"}),
        ("| Metric | Value |\n|---|---|\n| Users | 7 |\n| Cost | $3 |", {"Users": "7", "Cost": "$3"}),
        ("**Users:** 7\n- Cost: $3 a month", {"Users": "7", "Cost": "$3 a month"}),
    ],
)
def test_stat_cards(value: JsonValue, cards: JsonValue) -> None:
    assert adapt(value, "stat_cards") == {"format": "stat_cards", "content": cards}


@pytest.mark.parametrize(
    ("value", "chart"),
    [
        (BAR, BAR),
        (POINTS, BAR),
        ({"North": 3, "South": 4.5}, BAR),
        ("region,sales\nNorth,3\nSouth,4.5", BAR),
        ("| region | note | sales |\n|---|---|---|\n| North | x | 3 |\n| South | y | 4.5 |", BAR),
        ({"type": "funnel", "data": POINTS}, BAR),
        ("North: 3\nSouth: 4.5", BAR),
        (f"Some words.\n```json\n{json.dumps(POINTS)}\n```\n# And more", BAR),
    ],
)
def test_chart(value: JsonValue, chart: JsonValue) -> None:
    assert adapt(value, "chart") == {"format": "chart", "content": chart}


def test_diagram() -> None:
    assert adapt(FLOW, "diagram") == {"format": "diagram", "content": FLOW}
    document = f"# Plan\n\n```json\n[]\n```\n```mermaid\n{FLOW}\n```\nThe end."
    assert adapt(document, "diagram") == {"format": "diagram", "content": FLOW}
    newer = "```mermaid\nsomeday-beta\n  x\n```"
    assert adapt(newer, "diagram") == {"format": "diagram", "content": "someday-beta\n  x"}


def test_a_fence_that_says_csv_is_believed() -> None:
    assert adapt("```csv\n1,2\n3,4\n```") == {"format": "table", "content": [{"1": "3", "2": "4"}]}
    assert adapt('```json\n{"a": "x\u2028y"}\n```')["content"] == {"a": "x\u2028y"}


@pytest.mark.parametrize("mode", ["table", "stat_cards", "chart", "diagram"])
def test_what_cannot_take_the_wanted_format_is_shown_as_auto_would(mode: Mode) -> None:
    for prose in ("Prose, and no more.", "First, we collect the data.\nThen, we clean it."):
        assert adapt(prose, mode) == {"format": "markdown", "content": prose}


@pytest.mark.parametrize("mode", ["stat_cards", "chart"])
@pytest.mark.parametrize(
    "text",
    [
        '[{"a":1},{"b":2}]',
        '{"a": [{"b":1},{"b":2}]}',
        '{"a":1',
        ' {"a":1,}',
        '[{"label":"x","value":1}',
    ],
)
def test_json_is_never_read_as_lines_of_facts(text: str, mode: Mode) -> None:
    assert adapt(text, mode) == detect(text)


def test_rows_that_are_no_cards_stay_a_table_and_words_are_no_chart() -> None:
    rows: JsonValue = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    assert adapt(rows, "stat_cards")["format"] == "table"
    assert adapt([{"a": "x", "b": "y"}], "chart")["format"] == "table"
    assert adapt(None, "json") == {"format": "json", "content": None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    value=JSON,
    mode=st.sampled_from(["auto", "markdown", "text", "json", "table", "stat_cards", "chart", "diagram"]),
)
def test_whatever_comes_the_content_has_its_formats_shape(value: JsonValue, mode: Mode) -> None:
    shown = adapt(value, mode)
    content = shown["content"]
    json.dumps(content, allow_nan=False)
    match shown["format"]:
        case "markdown" | "text" | "diagram":
            assert isinstance(content, str)
        case "table":
            assert isinstance(content, list)
            assert content
            assert all(isinstance(row, dict) for row in content)
        case "stat_cards":
            assert isinstance(content, dict)
            assert not any(isinstance(card, dict | list) for card in content.values())
        case "chart":
            assert isinstance(content, dict)
            assert content.keys() == {"type", "data"}
            points = content["data"]
            assert isinstance(points, list)
            assert all(isinstance(point, dict) and point.keys() == {"label", "value"} for point in points)
        case "json":
            assert mode in ("auto", "json") or not isinstance(value, str)


@given(text=st.text(alphabet='ab ,;|-:#`{}[]"\n1.', max_size=80))
def test_no_text_breaks_the_detection(text: str) -> None:
    assert detect(text)["format"] != "text"


@pytest.mark.parametrize("piece", ["```\n", "a,", "a|b\n-|-\n", '"', "a: b\n", " ", "graph TD;", "[", "`"])
@pytest.mark.parametrize("mode", ["auto", "table", "stat_cards", "chart", "diagram"])
def test_a_long_text_takes_no_more_than_a_moment(piece: str, mode: Mode) -> None:
    text = (piece * 200_000)[:200_000]
    began = time.process_time()
    adapt(text, mode)
    assert time.process_time() - began < 2
