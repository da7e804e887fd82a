"""Which labels a classification prompt offers, however it lists them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aistudio.llm.simulation.reading import BULLET

NOUN = (
    r"(?:categor(?:y|ies)|labels?|class(?:es)?|options?|choices?|tags?|topics?|intents?|departments?|teams?|"
    r"queues?|buckets?|types?|priorit(?:y|ies)|(?:\w+ )?levels?|sentiments?|values?|words?|answers?|moods?|"
    r"ratings?|languages?|outcomes?|verdicts?|routes?|groups?|kinds?|folders?|genres?|emotions?|tones?|"
    r"severit(?:y|ies)|decisions?|status(?:es)?|areas?|subjects?|stages?|desks?)"
)
SORTING = (
    r"(?:classif\w+|categori[sz]\w+|label(?:l?ing)?|tag|mark|rate|sort|route|triage|assign|split|put|file|place|"
    r"judge|grade|flag|bucket|group|direct|forward)"
)
ANSWERING = r"(?:respond|reply|answer|return|output|say|print|write|give|use|choose|pick|select|name)"


def _patterns(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


# What comes right before a list of labels: what announces one surely, what may, and the last resort.
SURE = _patterns(
    r"\bone of\b",
    rf"\b{NOUN}(?: names?)?(?: (?:are|is|to choose from|allowed|available|to use))*\s*"
    r"(?:[:=](?=\s)|(?=[\[\"“‘`]))",
    rf"\b(?:following|these|possible|allowed|valid|available)(?: \w+){{0,2}} {NOUN}\b[^:\n.]{{0,40}}:",
    rf"\b{ANSWERING}\b[^.:\n]{{0,50}}\b(?:only|exactly|just|single|one)\b[^.:\n]{{0,50}}[:—–]",
    rf"\b(?:{SORTING}|which|what)\b[^.:?\n]{{0,80}}:(?=\s)",
)
LIKELY = _patterns(
    rf"\b{ANSWERING} (?:with )?(?:only |exactly |just |either )+(?:the words? |one word )?(?=\S)",
    rf"\b{SORTING}\b[^.:\n]{{0,80}}?\b(?:as|into|in|to|between|among)\b(?: being)?(?: either)?(?=\s|:)",
    rf"\b{NOUN}\b[^.:\n(]{{0,40}}(?=\()",
    r"\beither\b",
    r"\b(?:between|among)\b",
    r"\b(?:whether|if)\b[^.:\n,]{0,60}?\b(?:is|are|was|were|sounds?|seems?|feels?|looks?|needs?|should be)\b"
    r"(?: about| an?)?",
)
LAST = _patterns(rf"\b{ANSWERING}\b(?: with)?")
SLASHED = re.compile(r"(?<![\w-])[\w-]{1,30}(?: ?[/|] ?[\w-]{1,30}){1,12}\b")
OR_ENDED = re.compile(
    r"(?i)(?<![\w-])((?:[\w-]{1,30}, ){0,12}[\w-]{1,30}),? or (?:is it |an? )?([\w-]{1,30})\b"
)
SHOUTED = re.compile(r"\b(?!ONLY|NOT|MUST|JSON|AND)[A-Z][A-Z_-]{2,}\b")

# "the following categories:" before the list itself; without a determiner "red team (…)" is an item.
DETERMINER = r"(?:(?:the|these|those|this|your|our|two|three|four|five|six|seven|\d)\s+)"
LEAD = re.compile(
    rf"(?i)^\s*(?:{DETERMINER}(?:following )?(?:\w+ ){{0,3}}?{NOUN}(?: names?)?(?=\s*[,(\[])|"
    rf"{DETERMINER}?(?:following )?(?:\w+ ){{0,3}}?{NOUN}\b"
    r"(?:[^:\n.,(]{0,40}(?=:)| names?)?(?=\s*[:\n—–]|\s+-\s|\s+[\"'“‘`*]|\s*$))"
)
SEPARATOR = re.compile(
    r"\s*(?:,|;|\||/|\n)\s*(?:(?:and|or)\s+)?|\s+(?:or|and|vs\.?|versus)\s+", re.IGNORECASE
)
TAIL = re.compile(
    r"(?i)\s+(?:based|according|depending|given|using|so|that|which|if|when|then|by|from|with|whatever|unless|"
    r"nothing|and nothing|where|only|instead|as|in|for each|for the|for every|to the|of the|otherwise|"
    r"because|on|at)\b.*$"
)
# "Is this message an emergency, …": the first label stands at the question's end.
QUESTION = re.compile(r"(?i)^(?:is|are|was|were) (?:it|this|that|these|the)\b.*\s(?=\S+$)")
ARTICLE = re.compile(r"(?i)^(?:an?|the)\s+(?=\w)")
QUOTES = "\"'“”‘’`*_«» \t"
NOT_LABELS = frozenset(
    word
    for line in (
        "it this that the them nothing else one word only etc json markdown text message email",
        "ticket review and or following here example yourself concise brief polite professional",
        "friendly",
    )
    for word in line.split()
)
QUOTED = re.compile(
    r"[\"“`](?=\S)([^\"”`\n]{1,40})[\"”`]|(?<!\w)['‘]([^'’\n]{1,40})['’](?!\w)|\*\*([^*\n]{1,40})\*\*"
)
EXPLAINED = re.compile(r"\s*(?::|=|—|–|→|->|\s-\s|\()\s*")


@dataclass(frozen=True)
class Offer:
    """A label the prompt offers, as written there, and what it says about it."""

    label: str
    description: str = ""


def offers(prompt: str) -> list[Offer]:
    """The offered labels in the prompt's order, or nothing when it offers fewer than two."""
    for candidates in _candidates(prompt):
        found = {offer.label.casefold(): offer for offer in reversed(candidates) if _plausible(offer.label)}
        if len(found) >= 2 and len(found) >= len(candidates) - 1:
            labels = [offer.label for offer in reversed(found.values())]
            return [_described(offer, labels, prompt) for offer in reversed(found.values())]
    return []


def _candidates(prompt: str) -> Iterator[list[Offer]]:
    """Every way to read labels out of the prompt, the surest first."""
    yield from _after(SURE, prompt)
    yield from _bullets(prompt)
    yield from _conditional(prompt)
    yield from _after(LIKELY, prompt)
    yield [Offer(next(part for part in match.groups() if part).strip()) for match in QUOTED.finditer(prompt)]
    for match in SLASHED.finditer(prompt):
        yield [Offer(part.strip()) for part in re.split(r"[/|]", match.group())]
    yield from _after(LAST, prompt)
    for match in OR_ENDED.finditer(prompt):
        yield [Offer(part) for part in [*match.group(1).split(", "), match.group(2)]]
    yield [Offer(word) for word in dict.fromkeys(SHOUTED.findall(prompt))]


def _after(anchors: tuple[re.Pattern[str], ...], prompt: str) -> Iterator[list[Offer]]:
    for anchor in anchors:
        for match in anchor.finditer(prompt):
            yield enumeration(prompt[match.end() :])


def _bullets(prompt: str) -> Iterator[list[Offer]]:
    """Runs of bullets, the ones under a line that announces labels first."""
    runs: list[tuple[str, list[Offer]]] = []
    before, fresh = "", True
    for line in prompt.splitlines():
        if BULLET.match(line):
            if fresh:
                runs.append((before, []))
            label, _, description = _split(BULLET.sub("", line).strip())
            runs[-1][1].append(Offer(label, description))
            fresh = False
        elif line.strip():
            before, fresh = line, True
    announced = re.compile(rf"(?i)\b(?:one of|{NOUN}|{SORTING}|choose|pick|between)\b")
    for _, found in sorted(runs, key=lambda run: not announced.search(run[0])):
        if all(len(offer.label.split()) <= 4 for offer in found):
            yield found


def _conditional(prompt: str) -> Iterator[list[Offer]]:
    """The labels of "say urgent if …, routine otherwise"."""
    pattern = re.compile(rf"(?i)\b{ANSWERING} (?:with )?([\w-]+) (?:if|when|for|unless)\b([^\n]*)")
    for match in pattern.finditer(prompt):
        rest = re.findall(
            r"(?i)(?:,|;|\.|\band\b|\bor\b)\s*(?:and |or |with |say |answer |reply |otherwise,? )*"
            r"([\w-]+)(?= (?:if|when|for|otherwise)\b|\s*[.\n]|$)",
            match.group(2),
        )
        yield [Offer(match.group(1)), *(Offer(word) for word in rest)]


def enumeration(text: str) -> list[Offer]:
    """The items of the list a text begins with: inline, in parentheses, or one to a line."""
    text = LEAD.sub("", text, count=1)
    text = re.sub(r"^\s*(?:\w+(?: \w+){0,6})?\s*[:—–]\s", " ", text, count=1) if ":" in text[:60] else text
    text = text.lstrip(" \t:—–-=")
    if text.startswith(("(", "[", "{")):
        text = re.split(r"[)\]}]", text[1:], maxsplit=1)[0]
    if text.startswith("\n"):
        return _lines(text)
    text = re.split(r"(?<![A-Z])[.!?](?=\s|$|\")|\n", text, maxsplit=1)[0]
    text = _inside(text)
    # An item's explanation may hold commas of its own.
    asides: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        asides.append(match.group(1))
        return f" \x00{len(asides) - 1}\x00"

    text = re.sub(r"\s*[(\[]([^)\]]*)[)\]]", put_aside, text)
    found: list[Offer] = []
    quoted = re.match(r"[\"“'‘`]", text) is not None
    for part in SEPARATOR.split(text):
        item, *told = part.split("\x00")
        if not item.strip(QUOTES):
            continue
        label, explained, description = _split(item.strip())
        if not explained and not quoted:
            label = ARTICLE.sub("", QUESTION.sub("", TAIL.sub("", label)))
        label = label.strip(QUOTES + ".:")
        # A list is over where its labels come back ("a or b, where a means …").
        if any(re.search(rf"(?i)(?<![\w-]){re.escape(one.label)}\s", f"{label} ") for one in found):
            break
        if description.startswith("where "):
            description = ""
        found.append(Offer(label, description or (asides[int(told[0])] if told else "")))
    pairs = [one.label.partition(" for ") for one in found]
    if len(pairs) > 1 and all(mark for _, mark, _ in pairs):
        return [Offer(label, description) for label, _, description in pairs]
    return found


def _inside(text: str) -> str:
    """The text up to a bracket that closes what was opened before it."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return text[:index]
    return text


def _lines(text: str) -> list[Offer]:
    """One label to a line, with or without bullets, up to the first blank line."""
    block = re.split(r"\n\s*\n", text.strip("\n"), maxsplit=1)[0]
    found: list[Offer] = []
    for line in block.splitlines():
        if found and BULLET.match(block) and not BULLET.match(line):
            break
        label, _, description = _split(BULLET.sub("", line).strip())
        found.append(Offer(label, description))
    return found


def _split(item: str) -> tuple[str, bool, str]:
    """An item's label, whether something explains it, and that."""
    label, *rest = EXPLAINED.split(item, maxsplit=1)
    return label.strip(QUOTES + ".,;:"), bool(rest), rest[0].strip(" )") if rest else ""


def _plausible(label: str) -> bool:
    return (
        0 < len(label) <= 40
        and len(label.split()) <= 4
        and label.casefold() not in NOT_LABELS
        and re.search(r"\w", label) is not None
    )


def _described(offer: Offer, labels: list[str], prompt: str) -> Offer:
    """The offer with what the prompt says about its label elsewhere, when the list said nothing."""
    if offer.description:
        return offer
    found = re.search(
        rf"(?i)(?<!\w){re.escape(offer.label)}[\"'”’`*]*\s*(?:\(([^)]*)\)|"
        r"(?::|=|—|–|\s-\s|\b(?:if|when|for|means?|covers|includes|handles|is|are|gets)\b)\s*([^.;\n]*))",
        prompt,
    )
    if found is None:
        return offer
    others = "|".join(re.escape(label) for label in labels)
    told = re.split(rf"(?i)(?<!\w)(?:{others})(?!\w)", found.group(1) or found.group(2) or "", maxsplit=1)[0]
    return Offer(offer.label, told.strip(" ,"))
