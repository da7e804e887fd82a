"""Structured answers other than tables: JSON, chart data, diagrams."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import TypeAlias

from aistudio.llm.simulation import judgement
from aistudio.llm.simulation.fields import Source
from aistudio.llm.simulation.offers import Offer, enumeration, offers
from aistudio.llm.simulation.reading import (
    BULLET,
    content_stems,
    figures,
    key_sentences,
    list_items,
    number_before,
    stem,
)
from aistudio.llm.simulation.task import Task

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

KEY_LISTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:keys?|fields?|properties|attributes|members)\b"
        r"(?: (?:named|called|are|must be|should be))*[ \t]*[:=]?[ \t]*",
        r"\bjson(?: \w+){0,3}? (?:with|containing|of|that (?:has|contains)|including|having)\b:?\s+",
        r"\b(?:extract|include|return)\b(?: the)?(?: following)?\s*:?\s+",
    )
]
DEFAULT_FIELDS = {"summary": "", "topics": "[", "sentiment": "", "next_step": ""}
KEY_VALUE = re.compile(r"[\"'](\w[\w \-]*)[\"']\s*:\s*(\[[^\]]*\]|\{[^}]*\}|\"[^\"]*\"|[^,}\n]+)")
PLURAL = re.compile(r"(?i)(?:s|items|list|_list|tags)$")
NOT_PLURAL = re.compile(r"(?i)(?:status|address|is_\w+|has_\w+|business|class|progress|ss)$")
# What to write where the material does not tell: 'the day, or "open" when it names none'.
MISSING = re.compile(r",? (?:or|else) [\"'“](\w[\w ]{0,30})[\"'”](?: (?:if|when|where|for|unless)\b[^.;]*)?")
MONEY_NAME = re.compile(r"(?i)amount|price|cost|total|fee|budget|sum\b|value")
STEP_BREAK = re.compile(
    r"(?i)\s*(?:->|→|=>|,?\s*\b(?:and )?then\b|;|\bafter that\b|,\s*(?:and )?finally\b)[,\s]*"
)


def json_text(task: Task) -> str:
    """A JSON document with the fields the prompt names."""
    source = Source.of(task)
    many = task.asks(
        r"\b(?:array|list) of (?:json )?objects|json (?:array|list)\b(?! of (?:strings|numbers))"
    )
    strings = task.asks(r"\b(?:array|list) of strings")
    if strings and not KEY_VALUE.search(task.instructions):
        return _dump(
            [source.detail(row) for row in range(number_before("strings?|items?", task.wanted) or 3)]
        )
    fields = _fields(task)
    if not many:
        return _dump({name: plausible(name, hint, source, 0, task) for name, hint in fields.items()})
    count = number_before("objects?|items?|entries|elements?", task.wanted) or min(
        4, max(2, len(source.items))
    )
    return _dump(
        [
            {name: plausible(name, hint, source, row, task) for name, hint in fields.items()}
            for row in range(count)
        ]
    )


def _fields(task: Task) -> dict[str, str]:
    """The fields the prompt names, each with what it says about its value."""
    prompt = task.instructions
    shown = re.search(r"\{.*\}", prompt, re.DOTALL)
    if shown:
        pairs = KEY_VALUE.findall(shown.group()[1:])
        if pairs:
            return {name: hint.strip() for name, hint in pairs}
    for pattern in KEY_LISTS:
        for match in pattern.finditer(prompt):
            found = {_key(offer.label): offer.description for offer in enumeration(prompt[match.end() :])}
            if len(found) > 1 and all(re.fullmatch(r"\w{1,40}", name) for name in found):
                return found
    listed = [BULLET.sub("", line) for line in prompt.splitlines() if BULLET.match(line)]
    named = [re.match(r"[\"`*]*(\w+)[\"`*]*\s*(?:[:(=]|-\s)\s*(.*)", line) for line in listed]
    return {m.group(1): m.group(2) for m in named if m} or DEFAULT_FIELDS


def _key(label: str) -> str:
    label = re.sub(r"(?i)^(?:an? |the )", "", label.strip())
    return label if re.fullmatch(r"\w+", label) else re.sub(r"\W+", "_", label.lower()).strip("_")


def plausible(name: str, hint: str, source: Source, row: int, task: Task) -> Json:
    """A value for a field of this name and what is said of it; a list or an object where it seems right."""
    text = source.text if row == 0 else source.detail(row)
    missing = MISSING.search(hint)
    hint = MISSING.sub("", hint)
    if missing and not source.tells(name, row):
        return missing.group(1)
    lowered = f"{name} {hint}".lower()
    choices = (
        [part.strip(" \"'") for part in re.split(r"[|/]", hint.strip(" \"'<>"))]
        if re.search(r"\w\s?[|/]\s?\w", hint)
        else []
    )
    found = [Offer(part) for part in choices if part] or (
        offers(hint) if " or " in hint or "one of" in hint else []
    )
    about = re.search(rf"(?i)\b{re.escape(name)}\b[^.\n]*\b(?:one of|either)\b[^.\n]*", task.instructions)
    if not found and about and not hint:
        found = offers(about.group())
    if len(found) > 1 and {one.label.lower() for one in found} != {"true", "false"}:
        return judgement.choose(found, text, "")
    if hint.startswith("[") or "array" in hint or "list of" in hint or _is_plural(name):
        return [item(name, source, index) for index in range(3)]
    length = number_before("sentences?", hint)
    if length:
        # Who lists puts what counts there.
        listed = list_items(text)
        told = key_sentences("\n\n".join(listed) if len(listed) > 1 else text, length)
        return " ".join(s if s.endswith((".", "!", "?")) else f"{s}." for s in told)
    if hint.startswith("{"):
        inner = KEY_VALUE.findall(hint[1:]) or [("value", "")]
        return {key: plausible(key, told, source, row, task) for key, told in inner}
    if re.search(
        r"\bbool|\btrue\b|\bfalse\b|^(?:is|has|should|needs|can|wants|was|requires)_|_required$", lowered
    ):
        return judgement.agrees(re.sub(r"[_\W]+", " ", name), text)
    if re.search(r"confidence|probability", lowered):
        return 0.87
    if re.search(r"\bscore|\brating", lowered):
        return round(3 + 2 * judgement.leaning(text))
    if re.search(
        r"\b(?:number|integer|int|float|numeric|count|amount|total|quantity|price|age)\b",
        lowered.replace("_", " "),
    ):
        value = source.money(row) if MONEY_NAME.search(name) else None
        value = source.amount(row) if value is None else value
        return int(value) if value.is_integer() else value
    return source.cell(name, row)


def _is_plural(name: str) -> bool:
    return PLURAL.search(name) is not None and NOT_PLURAL.search(name) is None


def item(name: str, source: Source, index: int) -> str:
    """An item of a list of this name."""
    if re.search(r"(?i)action|step|task|recommend|todo", name):
        return source.cell("action", index)
    if re.search(r"(?i)point|finding|fact|sentence|highlight|reason", name):
        return source.detail(index)
    return source.topics[index % len(source.topics)]


def chart_json(task: Task) -> str:
    """Chart data: label and value pairs, alone or inside a chart specification when one is asked for."""
    data = _series(task)
    keys = re.search(r"\{\s*[\"'](\w+)[\"']\s*:[^,{}]*,\s*[\"'](\w+)[\"']\s*:[^,{}]*\}", task.instructions)
    label, value = keys.groups() if keys else ("label", "value")
    pairs: Json = [{label: name, value: number} for name, number in data]
    kind = re.search(r"(?i)\b(bar|line|pie|area|donut|doughnut|scatter|radar)\b", task.wanted)
    if re.search(r"[\"'`]type[\"'`]", task.instructions) and re.search(
        r"[\"'`]data[\"'`]", task.instructions
    ):
        return _dump({"type": kind.group(1).lower() if kind else "bar", "data": pairs})
    return _dump(pairs)


def _series(task: Task) -> list[tuple[str, int | float]]:
    found: list[tuple[str, float]] = figures(task.material)
    if len(found) < 2:
        # Without numbers in the material there is one honest thing to count: how often it speaks of what.
        counts = Counter(content_stems(task.material))
        topics = Source.of(task).topics[:5]
        found = [(topic, float(sum(counts[stem(word)] for word in topic.split()))) for topic in topics]
    return [(name, int(value) if value.is_integer() else value) for name, value in found[:12]]


def mermaid(task: Task) -> str:
    """A Mermaid diagram of the material, of the type the prompt names."""
    if task.asks(r"\bpie\b"):
        return "\n".join(["pie", *(f'    "{_safe(name)}" : {value}' for name, value in _series(task))])
    steps = _steps(task)
    if task.asks(r"\bsequence ?diagram\b"):
        turns = [
            f"    {'User->>System' if i % 2 == 0 else 'System-->>User'}: {s}" for i, s in enumerate(steps)
        ]
        return "\n".join(["sequenceDiagram", "    participant User", "    participant System", *turns])
    if task.asks(r"\bmind ?map\b"):
        root = _safe(Source.of(task).subject())
        return "\n".join(["mindmap", f"  root(({root}))", *(f"    {step}" for step in steps)])
    direction = "LR" if task.asks(r"\bleft[\s-]to[\s-]right\b|\bLR\b|\bhorizontal") else "TD"
    names = [f"S{number}" for number in range(1, len(steps) + 1)]
    lines = [f'    {name}["{step}"]' for name, step in zip(names, steps, strict=True)]
    lines += [f"    {a} --> {b}" for a, b in pairwise(names)]
    return "\n".join([f"flowchart {direction}", *lines])


def _steps(task: Task) -> list[str]:
    source = Source.of(task)
    broken = [part for part in STEP_BREAK.split(task.material) if part.strip()]
    items = broken if len(broken) > 2 else source.items
    if len(items) < 2:
        items = [*items, *source.topics[:3]]
    return [_safe(item) for item in items[:8]]


def _safe(text: str) -> str:
    """A label that cannot end or bend the diagram's syntax."""
    plain = re.sub(r"[^\w\s.,'%€$&/+\-]", "", " ".join(text.split())).strip(" .,-")
    kept = plain.split()
    return " ".join(kept[:8]) + (" …" if len(kept) > 8 else "")


def _dump(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
