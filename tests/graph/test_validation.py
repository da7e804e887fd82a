"""Section 2 of the contract, sentence by sentence: which problem, and at which place."""

import copy
import json
from typing import Any

import pytest
from graph_kinds import KINDS, agent, chain, decision, edge, graph, trigger

from aistudio.graph.validation import Problem, validate


def problems(raw: Any) -> list[dict[str, Any]]:
    return [problem.model_dump(mode="json") for problem in validate(raw, KINDS).problems]


def found(raw: Any) -> list[tuple[str, str | None, str]]:
    return [
        (problem["code"], problem.get("node_id", problem.get("edge_id")), problem["path"])
        for problem in problems(raw)
    ]


FULL: dict[str, Any] = {
    "schema": 1,
    "name": "Customer Support Triage",
    "description": "",
    "variables": {"team": {"lead": "Ada", "size": 3}},
    "nodes": [
        trigger("ticket", position={"x": 1, "y": 2.5}),
        {
            "id": "classify",
            "kind": "ai_agent",
            "title": "Classify ticket",
            "description": "",
            "position": {"x": 350, "y": 300},
            "config": {"system_prompt": "Sort {{trigger.input}}", "model": None, "temperature": None},
            "on_error": "fail",
            "retry": {"max_attempts": 3},
            "timeout_seconds": 600,
            "pinned_output": None,
        },
        {
            "id": "which",
            "kind": "decision",
            "config": {
                "branches": [
                    {
                        "id": "bug",
                        "label": "Bug",
                        "conditions": [
                            {"left": "{{nodes.classify.response}}", "operator": "contains", "right": "bug"},
                            {"left": "{{global.mode?}}", "operator": "is_empty", "join": "or"},
                        ],
                    },
                    {"id": "rest", "label": "Else", "conditions": []},
                ]
            },
        },
        agent("fix", "{{nodes.which.branch}} {{nodes.ticket.input}}", on_error="route"),
        agent("reply", "{{variables.team.lead}}"),
        {"id": "show", "kind": "visualize"},
    ],
    "edges": [
        {"id": "e1", "source": "ticket", "target": "classify"},
        {"id": "e2", "source": "classify", "source_port": "out", "target": "which", "target_port": "in"},
        edge("which", "fix", "bug", id="e3"),
        edge("which", "reply", "rest", id="e4"),
        edge("fix", "show", id="e5"),
        edge("fix", "show", id="e5b"),
        edge("fix", "reply", "error", id="e6"),
        edge("reply", "show"),
        {"id": None, "source": "ticket", "target": "show"},
    ],
}


def test_a_valid_workflow_has_no_problem_and_is_read() -> None:
    result = validate(FULL, KINDS)
    assert result.problems == []
    assert result.workflow is not None
    assert [node.id for node in result.workflow.nodes] == [node["id"] for node in FULL["nodes"]]
    read = result.workflow.model_dump(mode="json", by_alias=True)
    assert read["nodes"][1] == FULL["nodes"][1]
    assert read["variables"] == FULL["variables"]


def test_reading_changes_nothing_of_the_document() -> None:
    before = copy.deepcopy(FULL)
    validate(FULL, KINDS)
    assert before == FULL


def test_defaults_are_the_contracts() -> None:
    workflow = validate(graph([trigger()]), KINDS).workflow
    assert workflow is not None
    node = workflow.nodes[0].model_dump(mode="json")
    assert node == {
        "id": "start",
        "kind": "trigger",
        "title": "",
        "description": "",
        "position": {"x": 0, "y": 0},
        "config": {},
        "on_error": "fail",
        "retry": {"max_attempts": 3},
        "timeout_seconds": 600,
        "pinned_output": None,
    }
    workflow = validate(chain(trigger(), agent("a")), KINDS).workflow
    assert workflow is not None
    assert (workflow.edges[0].source_port, workflow.edges[0].target_port) == ("out", "in")
    assert validate({"nodes": [trigger()]}, KINDS).workflow is not None


@pytest.mark.parametrize("raw", [None, True, 3, "text", [], [{}], 1.5])
def test_anything_but_an_object_is_no_workflow(raw: Any) -> None:
    assert found(raw) == [("invalid_config", None, "")]
    assert validate(raw, KINDS).workflow is None


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": 0}, "schema"),
        ({"schema": "1"}, "schema"),
        ({"schema": True}, "schema"),
        ({"schema": None}, "schema"),
        ({"schema_version": 1}, "schema_version"),
        ({"name": 3}, "name"),
        ({"description": None}, "description"),
        ({"variables": []}, "variables"),
        ({"viewport": {}}, "viewport"),
        ({"edges": None}, "edges"),
        ({"edges": {}}, "edges"),
    ],
)
def test_mistakes_in_the_document(change: dict[str, Any], path: str) -> None:
    assert found(graph([trigger()]) | change) == [("invalid_config", None, path)]


@pytest.mark.parametrize("nodes", [None, {}, "x", 3])
def test_nodes_must_be_a_list(nodes: Any) -> None:
    assert found({"nodes": nodes}) == [("invalid_config", None, "nodes"), ("no_trigger", None, "nodes")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": 3}, "title"),
        ({"title": None}, "title"),
        ({"description": []}, "description"),
        ({"position": {"x": "1"}}, "position.x"),
        ({"position": {"x": True}}, "position.x"),
        ({"position": {"z": 1}}, "position.z"),
        ({"position": None}, "position"),
        ({"config": None}, "config"),
        ({"config": []}, "config"),
        ({"on_error": "ignore"}, "on_error"),
        ({"on_error": None}, "on_error"),
        ({"on_error": "Fail"}, "on_error"),
        ({"retry": 3}, "retry"),
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts"),
        ({"retry": {"max_attempts": "3"}}, "retry.max_attempts"),
        ({"retry": {"max_attempts": 1.5}}, "retry.max_attempts"),
        ({"retry": {"max_attempts": True}}, "retry.max_attempts"),
        ({"retry": {"max_attempts": 3, "delay": 1}}, "retry.delay"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"timeout_seconds": "600"}, "timeout_seconds"),
        ({"timeout_seconds": None}, "timeout_seconds"),
        ({"colour": "red"}, "colour"),
        ({"config": {"input": 3}}, "config.input"),
        ({"config": {"inputs": ""}}, "config.inputs"),
    ],
)
def test_mistakes_in_a_node(change: dict[str, Any], path: str) -> None:
    assert found(graph([trigger(**change)])) == [("invalid_config", "start", path)]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (None, ("invalid_config", None, "nodes.1")),
        (["x"], ("invalid_config", None, "nodes.1")),
        ({"kind": "visualize"}, ("invalid_config", None, "nodes.1.id")),
        ({"id": 5, "kind": "visualize"}, ("invalid_config", None, "nodes.1.id")),
        ({"id": "", "kind": "visualize"}, ("invalid_config", None, "nodes.1.id")),
        ({"id": None, "kind": "visualize"}, ("invalid_config", None, "nodes.1.id")),
    ],
)
def test_a_node_without_an_id_is_named_by_its_place(node: Any, expected: tuple[str, str, str]) -> None:
    assert found(graph([trigger(), node])) == [expected]


@pytest.mark.parametrize("node_id", [".", "..", "a\nb", "\r", "\t", "a\x00", "\x7f", "\x85"])
def test_an_id_that_no_path_can_carry_is_refused(node_id: str) -> None:
    raw = graph([trigger(), {"id": node_id, "kind": "visualize"}], [edge("start", node_id)])
    assert found(raw) == [("invalid_config", node_id, "id")]


@pytest.mark.parametrize("node_id", ["...", "a.b", ".a", "../a", "a/b", "%2e", " ", "ü?#", "\xa0", "👩‍💻"])
def test_any_other_text_is_an_id(node_id: str) -> None:
    raw = graph([trigger(), {"id": node_id, "kind": "visualize"}], [edge("start", node_id)])
    assert found(raw) == []


def test_a_node_needs_a_kind() -> None:
    lost = ("not_connected", "a", "")
    assert found(graph([trigger(), {"id": "a"}])) == [("invalid_config", "a", "kind"), lost]
    assert found(graph([trigger(), {"id": "a", "kind": 3}])) == [("invalid_config", "a", "kind"), lost]
    assert found(graph([trigger(), {"id": "a", "kind": "shell"}])) == [("unknown_kind", "a", "kind"), lost]


@pytest.mark.parametrize(
    ("kind", "config", "path"),
    [
        ("ai_agent", {}, "config.system_prompt"),
        ("ai_agent", {"system_prompt": ""}, "config.system_prompt"),
        ("ai_agent", {"system_prompt": None}, "config.system_prompt"),
        ("ai_agent", {"system_prompt": "x", "temperature": "hot"}, "config.temperature"),
        ("ai_agent", {"system_prompt": "x", "max_tokens": "5"}, "config.max_tokens"),
        ("ai_agent", {"system_prompt": "x", "max_tokens": True}, "config.max_tokens"),
        ("ai_agent", {"system_prompt": "x", "prompt": "y"}, "config.prompt"),
        ("visualize", {"mode": "hologram"}, "config.mode"),
        ("http_request", {}, "config.url"),
        ("http_request", {"url": "u", "headers": {"a": 1}}, "config.headers.a"),
        ("http_request", {"url": "u", "accept": ["a", 1]}, "config.accept.1"),
        ("transform", {}, "config"),
        ("transform", {"template": "x", "fields": {}}, "config"),
        ("decision", {"branches": "x"}, "config.branches"),
        ("decision", {"branches": None}, "config.branches"),
        ("decision", {"branches": {"id": "a"}}, "config.branches"),
        ("decision", {"branches": [3]}, "config.branches.0"),
        ("decision", {"branches": [{}]}, "config.branches.0.id"),
        ("decision", {"branches": [{"id": ""}]}, "config.branches.0.id"),
        ("decision", {"branches": [{"id": 1}]}, "config.branches.0.id"),
        ("decision", {"branches": [{"id": "a", "label": 1}]}, "config.branches.0.label"),
        ("decision", {"branches": [{"id": "a", "color": ""}]}, "config.branches.0.color"),
        ("decision", {"branches": [{"id": "a", "conditions": None}]}, "config.branches.0.conditions"),
        ("decision", {"branches": [{"id": "error"}]}, "config.branches.0.id"),
        ("decision", {"branches": [{"id": "a"}, {"id": "a"}]}, "config.branches.1.id"),
    ],
)
def test_mistakes_in_a_config(kind: str, config: dict[str, Any], path: str) -> None:
    raw = graph([trigger(), {"id": "n", "kind": kind, "config": config}], [edge("start", "n")])
    assert found(raw) == [("invalid_config", "n", path)]


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"left": "a", "operator": "is", "right": "b"}, ".operator"),
        ({"left": "a", "operator": None, "right": "b"}, ".operator"),
        ({"left": "a", "right": "b"}, ".operator"),
        ({"operator": "equals", "right": "b"}, ".left"),
        ({"left": 1, "operator": "equals", "right": "b"}, ".left"),
        ({"left": "a", "operator": "equals", "right": 1}, ".right"),
        ({"left": "a", "operator": "equals"}, ""),
        ({"left": "a", "operator": "equals", "right": "b", "join": "xor"}, ".join"),
        ({"left": "a", "operator": "equals", "right": "b", "not": True}, ".not"),
        ("left == right", ""),
    ],
)
def test_mistakes_in_a_condition(condition: Any, path: str) -> None:
    node = decision("d", "yes")
    node["config"]["branches"][0]["conditions"] = [condition]
    place = f"config.branches.0.conditions.0{path}"
    assert found(chain(trigger(), node)) == [("invalid_config", "d", place)]


def test_every_operator_of_the_contract_is_known() -> None:
    ordered = ["greater_than", "less_than", "greater_or_equal", "less_or_equal", "before", "after"]
    operators = ["equals", "not_equals", "contains", "not_contains", *ordered, "is_empty", "is_not_empty"]
    node = decision("d", "yes")
    node["config"]["branches"][0]["conditions"] = [
        {"left": "a", "operator": operator, "right": "b"} for operator in operators
    ]
    assert found(chain(trigger(), node)) == []


def test_a_member_of_a_union_is_found_where_it_is() -> None:
    node = {"id": "n", "kind": "http_request", "config": {"url": "u", "body": "text"}}
    places = {(code, where, path) for code, where, path in found(chain(trigger(), node))}
    assert places == {("invalid_config", "n", "config.body")}


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"branches": []}, [("no_branches", "d", "config.branches")]),
        (
            {},
            [("no_branches", "d", "config.branches"), ("invalid_config", "d", "config.branches")],
        ),
    ],
)
def test_a_decision_needs_branches(config: dict[str, Any], codes: list[tuple[str, str, str]]) -> None:
    assert found(chain(trigger(), {"id": "d", "kind": "decision", "config": config})) == codes


def test_an_error_branch_says_that_the_name_is_reserved() -> None:
    (problem,) = problems(chain(trigger(), decision("d", "error")))
    assert "reserved" in problem["message"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source": "nobody"}, ("unknown_node", "e", "source")),
        ({"target": "nobody"}, ("unknown_node", "e", "target")),
        ({"source_port": "left"}, ("unknown_port", "e", "source_port")),
        ({"source_port": ""}, ("unknown_port", "e", "source_port")),
        ({"source": "d", "source_port": "out"}, ("unknown_port", "e", "source_port")),
        ({"source": "d", "source_port": "Yes"}, ("unknown_port", "e", "source_port")),
        ({"source": "d"}, ("unknown_port", "e", "source_port")),
        ({"target_port": "out"}, ("unknown_port", "e", "target_port")),
        ({"target": "start"}, ("unknown_port", "e", "target")),
        ({"source_port": 1}, ("invalid_config", "e", "source_port")),
        ({"source_port": None}, ("invalid_config", "e", "source_port")),
        ({"source": 1}, ("invalid_config", "e", "source")),
        ({"target": None}, ("invalid_config", "e", "target")),
        ({"label": ""}, ("invalid_config", "e", "label")),
    ],
)
def test_mistakes_in_an_edge(change: dict[str, Any], expected: tuple[str, str, str]) -> None:
    nodes = [trigger(), trigger("other"), decision("d", "yes"), agent("a")]
    edges = [edge("start", "d"), edge("start", "a"), {"id": "e", "source": "other", "target": "a"} | change]
    assert found(graph(nodes, edges)) == [expected]


def test_a_target_port_that_is_no_text_is_mistyped() -> None:
    raw = chain(trigger(), agent("a"))
    raw["edges"][0]["target_port"] = 1
    assert found(raw) == [("invalid_config", None, "edges.0.target_port")]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, ("invalid_config", None, "edges.0")),
        ({"source": "start"}, ("invalid_config", None, "edges.0.target")),
        ({"target": "start"}, ("invalid_config", None, "edges.0.source")),
        ({"source": "x", "target": "start", "id": 5}, ("invalid_config", None, "edges.0.id")),
        ({"source": "x", "target": "a"}, ("unknown_node", None, "edges.0.source")),
    ],
)
def test_an_edge_without_an_id_is_named_by_its_place(raw: Any, expected: tuple[str, str, str]) -> None:
    assert expected in found(graph([trigger(), agent("a")], [raw, edge("start", "a")]))


def test_every_node_has_the_error_port_whatever_its_error_policy() -> None:
    nodes = [trigger(), agent("a"), decision("d", "yes"), {"id": "ok", "kind": "approval"}, agent("z")]
    edges = [edge("start", node) for node in ("a", "d", "ok")]
    edges += [edge(node, "z", "error") for node in ("start", "a", "d", "ok")]
    assert found(graph(nodes, edges)) == []


def test_ports_of_an_unknown_kind_or_of_unreadable_branches_are_not_judged() -> None:
    nodes = [trigger(), {"id": "x", "kind": "shell"}, decision("d", "yes"), agent("a")]
    nodes[2]["config"]["branches"] = "yes"
    edges = [edge("start", "x"), edge("start", "d"), edge("x", "a", "any"), edge("d", "a", "any")]
    assert found(graph(nodes, edges)) == [
        ("unknown_kind", "x", "kind"),
        ("invalid_config", "d", "config.branches"),
    ]


def test_duplicate_ids() -> None:
    nodes = [trigger("a"), agent("b"), agent("b", "{{nodes.a.b c}}")]
    edges = [edge("a", "b", id="e"), edge("a", "b", "error", id="e")]
    assert found(graph(nodes, edges)) == [
        ("duplicate_id", "b", "id"),
        ("duplicate_id", "e", "id"),
        ("malformed_reference", "b", "config.system_prompt"),
    ]
    same_name_for_a_node_and_an_edge = graph([trigger("a"), agent("b")], [edge("a", "b", id="a")])
    assert found(same_name_for_a_node_and_an_edge) == []
    edges_without_names = graph([trigger("a"), agent("b")], [edge("a", "b"), edge("a", "b", id=None)])
    assert found(edges_without_names) == []


@pytest.mark.parametrize("nodes", [[], [agent("a")], [{"id": "a", "kind": "Trigger"}]])
def test_no_trigger(nodes: list[Any]) -> None:
    assert ("no_trigger", None, "nodes") in found(graph(nodes))


def test_a_trigger_with_a_mistake_is_still_a_trigger() -> None:
    assert found(graph([trigger(title=3)])) == [("invalid_config", "start", "title")]
    assert found(graph([{"kind": "trigger"}])) == [("invalid_config", None, "nodes.0.id")]


def test_cycles() -> None:
    nodes = [trigger(), *(agent(name) for name in "abcdef")]
    two_loops = [edge("start", "a"), edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d")]
    two_loops += [edge("d", "e"), edge("e", "f"), edge("f", "d")]
    assert found(graph(nodes, two_loops)) == [("cycle", "b", ""), ("cycle", "d", "")]
    message = problems(graph(nodes, two_loops))[1]["message"]
    assert all(f"`{name}`" in message for name in "def")


def test_a_self_loop_is_a_cycle() -> None:
    raw = graph([trigger(), agent("a")], [edge("start", "a"), edge("a", "a", id="loop")])
    assert found(raw) == [("cycle", "a", "")]


def test_a_diamond_is_no_cycle() -> None:
    nodes = [trigger(), *(agent(name) for name in "abc")]
    edges = [edge("start", "a"), edge("start", "b"), edge("a", "c"), edge("b", "c"), edge("start", "c")]
    assert found(graph(nodes, edges)) == []


def test_a_loop_through_a_trigger_is_both() -> None:
    raw = graph([trigger(), agent("a")], [edge("start", "a"), edge("a", "start", id="back")])
    assert found(raw) == [("unknown_port", "back", "target"), ("cycle", "start", "")]


def test_what_no_trigger_reaches_is_a_warning_and_no_obstacle() -> None:
    raw = graph([trigger(), agent("a"), agent("b"), agent("c")], [edge("start", "a"), edge("b", "c")])
    assert found(raw) == [("not_connected", "b", ""), ("not_connected", "c", "")]
    assert {problem["severity"] for problem in problems(raw)} == {"warning"}
    assert validate(raw, KINDS).workflow is not None


def test_everything_else_is_an_error() -> None:
    assert {problem["severity"] for problem in problems(graph([agent("a", "{{x.y}}")]))} == {
        "error",
        "warning",
    }
    assert validate(graph([trigger(), trigger()]), KINDS).workflow is None


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("{{nodes.up.response}}", None),
        ("{{nodes.start.input}}", None),
        ("{{nodes.up}}", None),
        ("{{trigger.anything.at.all}}", None),
        ("{{variables.nothing}}", None),
        ("{{global.nothing}}", None),
        ("{{nodes.down.response}}", "unknown_reference"),
        ("{{nodes.side.response}}", "unknown_reference"),
        ("{{nodes.me.response}}", "unknown_reference"),
        ("{{nodes.nobody.response}}", "unknown_reference"),
        ("{{nodes.nobody}}", "unknown_reference"),
        ("{{nodes.down.response?}}", None),
        ("{{nodes.nobody.response | default:''}}", None),
        ("{{nodes.nobody.response|default:'none'}}", None),
        ("{{env.HOME}}", "unknown_namespace"),
        ("{{env.HOME?}}", "unknown_namespace"),
        ("{{node.up.response}}", "unknown_namespace"),
        ("{{Nodes.up.response}}", "unknown_namespace"),
        ("{{nodes.}}", "malformed_reference"),
        ("{{nodes.up response}}", "malformed_reference"),
        ("{{nodes.up.response | upper}}", "malformed_reference"),
        ("{{env.}}", "malformed_reference"),
        ("{{nodes}}", None),
        ("{{}}", None),
        ("{{nodes.up", None),
    ],
)
def test_references(prompt: str, code: str | None) -> None:
    nodes = [trigger(), agent("up"), agent("me", f"Say {prompt}!"), agent("down"), agent("side")]
    edges = [edge("start", "up"), edge("up", "me"), edge("me", "down"), edge("start", "side")]
    expected = [] if code is None else [(code, "me", "config.system_prompt")]
    assert found(graph(nodes, edges)) == expected


def test_references_are_found_everywhere_a_kind_takes_them() -> None:
    branch = {"id": "a", "conditions": [{"left": "{{x.a}}", "operator": "equals", "right": "{{x.b}}"}]}
    body = {"{{x.not_here}}": ["{{x.g}}", {"a": {"b": "{{x.h}}"}, "n": 1}], "c": "{{x.i}}"}
    nodes = [
        trigger(config={"input": "{{x.not_here}}"}),
        {"id": "d", "kind": "decision", "config": {"branches": [branch]}},
        {"id": "h", "kind": "http_request", "config": {"url": "{{x.c}}", "headers": {"K": "{{x.d}}"}}},
        {"id": "b", "kind": "http_request", "config": {"url": "u", "body": body}},
        {"id": "t", "kind": "transform", "config": {"fields": {"one": "{{x.e}}", "two": "{{x.f}}"}}},
        agent("p", title="{{x.not_here}}"),
    ]
    raw = graph(nodes, [edge("start", name) for name in "dhbtp"])
    assert found(raw) == [
        ("unknown_namespace", "d", "config.branches.0.conditions.0.left"),
        ("unknown_namespace", "d", "config.branches.0.conditions.0.right"),
        ("unknown_namespace", "h", "config.url"),
        ("unknown_namespace", "h", "config.headers.K"),
        ("unknown_namespace", "b", "config.body.{{x.not_here}}.0"),
        ("unknown_namespace", "b", "config.body.{{x.not_here}}.1.a.b"),
        ("unknown_namespace", "b", "config.body.c"),
        ("unknown_namespace", "t", "config.fields.one"),
        ("unknown_namespace", "t", "config.fields.two"),
    ]


def test_each_mistaken_reference_of_a_text_is_told_once() -> None:
    prompt = "{{a.b}} {{a.b}} {{c.d}} {{a.}} {{a.}} {{nodes.nobody.x}} {{nodes.nobody.x}}"
    codes = [code for code, _, _ in found(chain(trigger(), agent("a", prompt)))]
    assert codes == ["malformed_reference", "unknown_namespace", "unknown_namespace", "unknown_reference"]


def test_upstream_in_a_cycle_reaches_all_the_way_round() -> None:
    nodes = [trigger(), agent("a", "{{nodes.b.response}}"), agent("b", "{{nodes.a.response}}")]
    raw = graph(nodes, [edge("start", "a"), edge("a", "b"), edge("b", "a")])
    assert found(raw) == [("cycle", "a", "")]


def test_all_problems_at_once() -> None:
    nodes = [
        3,
        {"id": "x", "kind": "shell", "on_error": "maybe"},
        agent("a", "{{nodes.b.response}} {{nodes.}} {{who.x}}", title=None),
        agent("b"),
        agent("b"),
        {"id": "d", "kind": "decision", "config": {"branches": []}},
        agent("lost"),
    ]
    edges = [edge("a", "d"), edge("d", "a", "no"), edge("a", "ghost", id="g"), {"source": 1}]
    codes = {code for code, _, _ in found(graph(nodes, edges, colour="red"))}
    assert codes == {
        "invalid_config",
        "unknown_kind",
        "duplicate_id",
        "no_branches",
        "unknown_port",
        "unknown_node",
        "no_trigger",
        "cycle",
        "malformed_reference",
        "unknown_namespace",
        "unknown_reference",
        "not_connected",
    }


def test_every_problem_tells_its_story() -> None:
    for problem in problems(graph([agent("a", "{{x.y}}")], [edge("a", "b", id="e")], colour="red")):
        assert problem.keys() - {"node_id", "edge_id"} == {"code", "severity", "message", "path"}
        assert not {"node_id", "edge_id"} <= problem.keys()
        assert len(problem["message"]) > 10


def test_null_members_are_left_out_also_in_json() -> None:
    problem = Problem(code="cycle", severity="error", message="m", node_id="a", path="")
    assert json.loads(problem.model_dump_json()) == {
        "code": "cycle",
        "severity": "error",
        "message": "m",
        "node_id": "a",
        "path": "",
    }
