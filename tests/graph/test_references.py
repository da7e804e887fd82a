"""Section 3.4 of the contract: the grammar of references and what takes their place."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.graph.references import (
    Reference,
    Room,
    as_text,
    find,
    find_malformed,
    resolve,
    resolve_value,
)

SCOPE: dict[str, Any] = {
    "nodes": {
        "a": {
            "response": "Hello",
            "items": [{"name": "first"}, {"name": "second"}],
            "0": "zero",
            "content-type": "text/plain",
            "straße": "Köln",
            "empty": "",
            "null": None,
            "zero": 0,
            "no": False,
            "none": [],
            "float": 1.0,
            "tiny": 1e-7,
            "big": 12345678901234567890,
            "object": {"b": 1, "a": [True, None, "é", 0.5]},
            "text": "{{nodes.a.response}}",
        },
        "null": None,
        "list": ["x", ["y"]],
    },
    "trigger": {"input": "the input"},
    "variables": {"name": "Ada", "größe": {"klein_1": "s"}},
    "global": {"company": "Acme"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{nodes.a.response}}", "Hello"),
        ("{{trigger.input}}", "the input"),
        ("{{variables.name}}", "Ada"),
        ("{{global.company}}", "Acme"),
        ("{{nodes.a.items.0.name}}", "first"),
        ("{{nodes.a.items.1.name}}", "second"),
        ("{{nodes.a.0}}", "zero"),
        ("{{nodes.a.content-type}}", "text/plain"),
        ("{{nodes.a.straße}}", "Köln"),
        ("{{variables.größe.klein_1}}", "s"),
        ("{{nodes.list.1.0}}", "y"),
        ("{{nodes.a.empty}}", ""),
        ("{{nodes.a.null}}", "null"),
        ("{{nodes.null}}", "null"),
        ("{{nodes.a.zero}}", "0"),
        ("{{nodes.a.no}}", "false"),
        ("{{nodes.a.none}}", "[]"),
        ("{{nodes.a.float}}", "1.0"),
        ("{{nodes.a.tiny}}", "1e-07"),
        ("{{nodes.a.big}}", "12345678901234567890"),
        ("{{nodes.a.object}}", '{"b":1,"a":[true,null,"é",0.5]}'),
        ("{{nodes.a.object.a.2}}", "é"),
        ("{{nodes.list}}", '["x",["y"]]'),
        # blanks
        ("{{ trigger.input}}", "the input"),
        ("{{trigger.input }}", "the input"),
        ("{{ \t trigger.input\t }}", "the input"),
        ("{{trigger.input?}}", "the input"),
        ("{{trigger.input ? }}", "the input"),
        ("{{trigger.input|default:'x'}}", "the input"),
        ("{{ trigger.input \t|  default  :  'x'  }}", "the input"),
        # modifiers: only a truly missing value takes them
        ("{{trigger.gone?}}", ""),
        ("{{trigger.gone | default:'none'}}", "none"),
        ("{{trigger.gone | default:''}}", ""),
        ("{{trigger.gone | default:' a \"b\" }} {{c.d}} | é\n'}}", ' a "b" }} {{c.d}} | é\n'),
        ("{{nodes.nobody.x?}}", ""),
        ("{{nodes.a.response.deeper?}}", ""),
        ("{{nodes.a.null?}}", "null"),
        ("{{nodes.a.null | default:'x'}}", "null"),
        ("{{nodes.a.empty | default:'x'}}", ""),
        ("{{nodes.a.zero | default:'x'}}", "0"),
        ("{{nodes.a.no?}}", "false"),
        # text around, several, adjacent
        ("<{{trigger.input}}>", "<the input>"),
        ("{{variables.name}}{{global.company}}", "AdaAcme"),
        ("{{{variables.name}}}", "{Ada}"),
        ("{{{{variables.name}}}}", "{{Ada}}"),
        ('{"name":{{variables.name}}}', '{"name":Ada}'),
        ("{{ {{variables.name}}", "{{ Ada"),
        ("{{nodes.a and {{variables.name}}", "{{nodes.a and Ada"),
        # plain text
        ("", ""),
        ("{{}}", "{{}}"),
        ("{{ }}", "{{ }}"),
        ("{{word}}", "{{word}}"),
        ("{{ word }}", "{{ word }}"),
        ("{{trigger}}", "{{trigger}}"),
        ("{{trigger?}}", "{{trigger?}}"),
        ("{{two words}}", "{{two words}}"),
        ("{{.input}}", "{{.input}}"),
        ("{{trigger.input", "{{trigger.input"),
        ("{{trigger.input}", "{{trigger.input}"),
        ("{trigger.input}", "{trigger.input}"),
        ("{ {trigger.input}}", "{ {trigger.input}}"),
        ("trigger.input}}", "trigger.input}}"),
        ("{{trigger .input}}", "{{trigger .input}}"),
        ("{{#if x}}", "{{#if x}}"),
        ("A{{\ntrigger.input}}B", "Athe inputB"),
    ],
)
def test_resolve(text: str, value: str) -> None:
    assert resolve(text, SCOPE) == value
    assert find_malformed(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{trigger.gone}}",
        "{{trigger.Input}}",
        "{{nodes.nobody.x}}",
        "{{nodes.nobody}}",
        "{{nodes.a.response.x}}",
        "{{nodes.a.response.0}}",
        "{{nodes.a.response.length}}",
        "{{nodes.a.null.x}}",
        "{{nodes.null.x}}",
        "{{nodes.a.zero.real}}",
        "{{nodes.a.items.2}}",
        "{{nodes.a.items.-1}}",
        "{{nodes.a.items.00}}",
        "{{nodes.a.items.٠}}",
        "{{nodes.a.items.name}}",
        "{{nodes.a.items.length}}",
        "{{nodes.a.items." + "9" * 5_000 + "}}",
        "{{nodes.a.keys}}",
        "{{nodes.a.__class__}}",
        "{{nodes.a.constructor}}",
        "{{nodes.__proto__}}",
        "{{elsewhere.x}}",
    ],
)
def test_what_is_missing_is_an_error_unless_a_modifier_stands_in(text: str) -> None:
    for resolving in (resolve, resolve_value):
        with pytest.raises(NodeError) as caught:
            resolving(f"{text}", SCOPE)
        assert caught.value.code is ErrorCode.UNRESOLVED_REFERENCE
        assert not caught.value.retryable
        assert text[:40] in caught.value.message
        assert resolving(text.replace("}}", "?}}"), SCOPE) == ""
        assert resolving(text.replace("}}", " | default:'so'}}"), SCOPE) == "so"


@pytest.mark.parametrize(
    "text",
    [
        "{{nodes.}}",
        "{{ nodes.}}",
        "{{nodes..a}}",
        "{{nodes.a.}}",
        "{{nodes.a b}}",
        "{{nodes.a .b}}",
        "{{nodes. a}}",
        "{{nodes.a[0]}}",
        "{{nodes.a/b}}",
        "{{nodes.a!}}",
        "{{nodes.a??}}",
        "{{nodes.a?.b}}",
        "{{nodes.a? | default:'x'}}",
        "{{nodes.a | default}}",
        "{{nodes.a | default:}}",
        "{{nodes.a | default:x}}",
        '{{nodes.a | default:"x"}}',
        "{{nodes.a | default:'it's'}}",
        "{{nodes.a | default:'x}}",
        "{{nodes.a | upper}}",
        "{{nodes.a | default:'x' | upper}}",
        "{{nodes.a | Default:'x'}}",
        "{{nodes.a || default:'x'}}",
        "{{nodes.a\n\nmore\n}}",
        "{{\nnodes.a\nb}}",
        "{{\xa0nodes.a\xa0b}}",
        "{{nodes.a} }}",
        "{{nodes.a {b} }}",
        "{{1.+}}",
        "{{größe.!}}",
    ],
)
def test_malformed(text: str) -> None:
    assert find_malformed(f"before {text} after {{{{trigger.input}}}}") == [text]
    assert find(f"before {text} after {{{{trigger.input}}}}") == [Reference("trigger", ("input",))]
    for resolving in (resolve, resolve_value):
        with pytest.raises(NodeError) as caught:
            resolving(text, SCOPE)
        assert caught.value.code is ErrorCode.UNRESOLVED_REFERENCE


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n", "\xa0", "\u2003", "\u3000", "\u2028", " \n \xa0"])
def test_any_white_space_is_a_blank(blank: str) -> None:
    def spaced(*pieces: str) -> str:
        return "{{" + "".join(f"{blank}{piece}" for piece in pieces) + blank + "}}"

    texts = {
        spaced("trigger.input"): "the input",
        spaced("trigger.none", "?"): "",
        spaced("trigger.none", "|", "default", ":", "'so'"): "so",
    }
    for text, value in texts.items():
        assert len(find(text)) == 1
        assert find_malformed(text) == []
        assert resolve(f"A{text}B", SCOPE) == f"A{value}B"
        assert resolve_value(text, SCOPE) == value
    broken = spaced("trigger.input", "x")
    assert find(broken) == []
    assert find_malformed(broken) == [broken]


@pytest.mark.parametrize("piece", ["{{\n", "{{ \xa0", "{{a.b \n", "{{a.b |\n", "{{a.b | default:\n", "\n"])
def test_a_long_text_is_read_in_a_moment(piece: str) -> None:
    began = time.process_time()
    assert find("{{" + piece * 100_000) == []
    assert time.process_time() - began < 2


def test_malformed_ends_where_another_reference_begins() -> None:
    text = "{{nodes.a b {{trigger.input}} {{nodes.c d}} {{nodes.e"
    assert find_malformed(text) == ["{{nodes.c d}}"]
    assert find(text) == [Reference("trigger", ("input",))]


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("{{nodes.a.b-c.0}}", Reference("nodes", ("a", "b-c", "0"))),
        ("{{ x.y ? }}", Reference("x", ("y",), "")),
        ("{{x.y | default:'a b'}}", Reference("x", ("y",), "a b")),
        ("{{x.y | default:''}}", Reference("x", ("y",), "")),
        ("{{имя.ключ_1}}", Reference("имя", ("ключ_1",))),
        ("{{x.-}}", Reference("x", ("-",))),
    ],
)
def test_find(text: str, reference: Reference) -> None:
    assert find(f"a {text} b {text}") == [reference, reference]
    assert resolve_value(text, {reference.namespace: nest(reference.path, 7)}) == 7


def nest(path: tuple[str, ...], value: Any) -> Any:
    for segment in reversed(path):
        value = {segment: value}
    return value


def test_only_references_to_nodes_name_one() -> None:
    assert Reference("nodes", ("a", "x")).node_id == "a"
    assert Reference("trigger", ("a", "x")).node_id is None


@pytest.mark.parametrize(
    "value", ["text", "", None, 0, 1.0, True, [], {}, [1, {"a": None}], "{{trigger.input}}"]
)
def test_exactly_one_reference_keeps_its_json_type(value: Any) -> None:
    scope = {"variables": {"v": value}}
    for text in ("{{variables.v}}", "{{ variables.v ? }}", "{{variables.v | default:'x'}}"):
        kept = resolve_value(text, scope)
        assert kept == value
        assert type(kept) is type(value)


@pytest.mark.parametrize(
    "text", [" {{variables.n}}", "{{variables.n}} ", "{{variables.n}}{{variables.n}}", "n"]
)
def test_anything_else_is_text(text: str) -> None:
    assert resolve_value(text, {"variables": {"n": 1}}) == text.replace("{{variables.n}}", "1")


def test_a_missing_value_behind_exactly_one_reference_is_the_modifiers_text() -> None:
    assert resolve_value("{{variables.gone?}}", {"variables": {}}) == ""
    assert resolve_value("{{variables.gone | default:'0'}}", {"variables": {}}) == "0"


segments = st.from_regex(re.compile(r"[\w-]+"), fullmatch=True)
references = st.builds(
    Reference,
    namespace=st.from_regex(re.compile(r"\w+"), fullmatch=True),
    path=st.lists(segments, min_size=1, max_size=5).map(tuple),
    fallback=st.none() | st.text().filter(lambda text: "'" not in text),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(references)
def test_references_round_trip(reference: Reference) -> None:
    assert find(str(reference)) == [reference]
    assert find_malformed(str(reference)) == []


@given(references, json_values)
def test_a_reference_finds_what_lies_at_its_path(reference: Reference, value: Any) -> None:
    assert resolve_value(str(reference), {reference.namespace: nest(reference.path, value)}) == value


fragments = st.lists(
    st.sampled_from(
        ["{{", "}}", "{", "}", "variables.v", "variables.w", "x", "?", " ", "|", "default:'", "'", "\n"]
    )
    | references.map(str),
    max_size=8,
).map("".join)


@given(fragments)
def test_any_text_resolves_or_says_what_is_wrong_with_it(text: str) -> None:
    missing = [reference for reference in find(text) if reference.fallback is None]
    if missing or find_malformed(text):
        with pytest.raises(NodeError):
            resolve(text, {})
    elif not find(text):
        assert resolve(text, {}) == text


@given(fragments, fragments)
def test_a_value_is_never_scanned_twice(value: str, other: str) -> None:
    scope: dict[str, Any] = {"variables": {"v": value, "w": other}}
    assert resolve("{{variables.v}}", scope) == value
    assert resolve_value("{{variables.v}}", scope) == value
    # Also when what was put in and the text around it look like one reference together.
    assert resolve("{{ {{variables.v}}}}{{variables.w}}?}}", scope) == "{{ " + value + "}}" + other + "?}}"
    assert resolve("{{variables.{{variables.v}}", scope) == "{{variables." + value


@given(json_values)
def test_anything_but_text_goes_in_as_compact_json(value: Any) -> None:
    text = as_text(value)
    if isinstance(value, str):
        assert text == value
    else:
        assert json.loads(text) == value
        assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_a_short_text_cannot_become_endless() -> None:
    scope = {"trigger": {"input": "x" * 250_000, "many": ["y" * 250_000]}}
    assert len(resolve("{{trigger.input}}" * 33, scope)) == 33 * 250_000
    for text in ("{{trigger.input}}" * 60_000, "{{trigger.many}}" * 34):
        with pytest.raises(NodeError) as caught:
            resolve(text, scope)
        assert caught.value.code is ErrorCode.OUTPUT_TOO_LARGE
        assert not caught.value.retryable


def test_several_texts_share_their_room() -> None:
    scope = {"trigger": {"input": ["x" * 96]}}
    room = Room(250)
    assert resolve_value("{{trigger.input}}", scope, room) == ["x" * 96]
    assert len(resolve("{{trigger.input}}", scope, room)) == 100
    with pytest.raises(NodeError):
        resolve_value("{{trigger.input}}", scope, room)
