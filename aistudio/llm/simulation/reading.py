"""Reading a text without understanding it: words, stems, sentences, lists, names, numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

# Words that carry no topic: grammar, courtesies, and verbs that go with anything.
STOPWORDS = frozenset(
    word
    for line in (
        "a about above after again all also am an and any are as at be because been before being",
        "below between both but by can could did do does doing during each few for from further had",
        "has have having he her here hers him his how i if in into is it its itself just let like",
        "me more most my no nor not now of off on once only or other our ours out over own please",
        "same she should so some such than that the their theirs them then there these they this",
        "those through to too under until up us very was we were what when where which while who",
        "whom why will with would you your yours must may might shall been hi hello hey dear thanks",
        "thank regards best kind sincerely cheers get gets got one two three four five want wants",
        "wanted need needs needed know known since today yet still ever make makes made im ive",
        "youre dont cannot much many really say says said tell tells give gives given see go goes",
        "going come comes use uses using try tried take takes took ask asked keep keeps every",
        "currently possible agreed whether left went came found read reads new good thing things",
        "ago year years way ways lot send sent sends let's i'm we're it's don't there's that's you're",
    )
    for word in line.split()
)

GREETING = re.compile(
    r"(?i)^\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening))\b[^\n.!?]{0,40}[,!:.]?\s*\n"
)
FAREWELL = re.compile(
    r"(?i)\n\s*(?:(?:best|kind|warm|many)? ?(?:regards|wishes)|best|thanks(?: again| in advance)?|thank you|"
    r"sincerely|yours \w+|cheers)\s*[,.!]?\s*(?:\n[^\n]{0,40}){0,3}\s*$"
)
HEADING = re.compile(r"^#{2}[ \t]+(.+?)[ \t]*$", re.MULTILINE)
BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")
WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
SENTENCE = re.compile(
    r"(?<=[.!?…])[\"”')\]]*\s+(?=[\"“'(\[]?[^\W_a-z])|\n{2,}|\n(?=\s*(?:[-*•–]|\d{1,2}[.)])\s)"
)

NUMBERS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}


@dataclass(frozen=True)
class Section:
    """A part of a message under a second-level heading; the title is '' when there is none."""

    title: str
    body: str


def sections(message: str) -> list[Section]:
    """The message split at its `## ` headings, blank parts left out."""
    found = []
    parts = HEADING.split(message)
    for title, body in zip(["", *parts[1::2]], parts[::2], strict=True):
        if body.strip():
            found.append(Section(title, body.strip()))
    return found


def body(text: str) -> str:
    """A letter without its greeting and its ending; anything else as it is."""
    return FAREWELL.sub("", GREETING.sub("", text)).strip() or text


def stem(word: str) -> str:
    """The word without its usual English endings; good enough to compare, not to read."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if len(word) > 4 and word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    for ending in ("ments", "ment", "ingly", "ings", "ing", "edly", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeilos":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def words(text: str) -> list[str]:
    """The words of a text as they stand; negated verbs are taken apart ("can't" is "can not")."""
    text = re.sub(r"(?i)\bcannot\b|\bcan['’]t\b", "can not", text)
    text = re.sub(r"(?i)\bwon['’]t\b", "will not", text)
    return WORD.findall(re.sub(r"(?i)n['’]t\b", " not", text))


def stems(text: str) -> list[str]:
    """The stems of all words, in order."""
    return [stem(part) for word in words(text) for part in word.split("-")]


def content_stems(text: str) -> list[str]:
    """The stems of the words that carry meaning."""
    return [stem(w) for word in words(text) for w in word.split("-") if is_content(w)]


def is_content(word: str) -> bool:
    """Whether a word carries meaning of its own."""
    return len(word) > 1 and word.lower().replace("’", "'") not in STOPWORDS


@dataclass(frozen=True)
class Reading:
    """A text prepared for being asked what it mentions."""

    text: str

    @cached_property
    def _line(self) -> str:
        return f" {' '.join(stems(self.text))} "

    def mentions(self, phrase: str) -> int:
        """How often a phrase of stems occurs."""
        return self._line.count(f" {phrase} ") if phrase else 0

    def denies(self, phrase: str) -> int:
        """How often it occurs right after a negation."""
        return sum(
            self._line.count(f" {no} {between}{phrase} ")
            for no in ("not", "never", "no", "hardly", "nothing")
            for between in ("", "very ", "so ", "at all ", "real ", "that ", "a ", "any ")
        )


def sentences(text: str) -> list[str]:
    """The sentences and list items of a text, without bullets, blanks and headings' marks."""
    found = (BULLET.sub("", part).strip(" \t#*_>") for part in SENTENCE.split(text))
    return [capital(" ".join(part.split())) for part in found if WORD.search(part)]


def list_items(text: str) -> list[str]:
    """The items of the text's bullet or numbered lists."""
    return [BULLET.sub("", line).strip() for line in text.splitlines() if BULLET.match(line)]


def topics(text: str, limit: int = 4) -> list[str]:
    """What the text is about: its telling words and pairs of words, most telling first."""
    text = body(text)
    starts = {
        match.group(1) for match in re.finditer(r"(?:^|[.!?]\s+|\n\s*(?:[-*•]\s+)?)([A-Z][a-z]+)\b", text)
    }
    counts: Counter[str] = Counter()
    shown: dict[str, str] = {}
    order: dict[str, int] = {}
    for phrase in _phrases(text):
        key = " ".join(stem(word) for word in phrase)
        counts[key] += 2 * len(phrase) - 1
        # A capital at a sentence's start is no name.
        if phrase[0] in starts and (len(phrase) == 1 or not phrase[-1][0].isupper()):
            phrase = [phrase[0].lower(), *phrase[1:]]
        shown.setdefault(key, " ".join(phrase))
        order.setdefault(key, len(order))
    chosen: list[str] = []
    for key in sorted(counts, key=lambda key: (-counts[key], order[key])):
        if not any(set(key.split()) & set(stems(other)) for other in chosen):
            chosen.append(shown[key])
        if len(chosen) == limit:
            break
    return chosen


def _phrases(text: str) -> Iterator[list[str]]:
    """Runs of one or two telling words inside a sentence."""
    for clause in re.split(r"[.,;:!?()\n\"“”|]+", text):
        run: list[str] = []
        for word in [*clause.split(), ""]:
            plain = word.strip("'’*_`#-")
            if WORD.fullmatch(plain) and is_content(plain) and not plain.isdecimal() and len(plain) > 2:
                run.append(plain)
                continue
            for start in range(0, len(run), 2):
                phrase = run[start : start + 2]
                # "people building" is about people.
                yield phrase[:1] if re.search("(?:ing|ed)$", phrase[-1]) else phrase
            run = []


def key_sentences(text: str, limit: int) -> list[str]:
    """The most telling sentences, in the order they stand."""
    found = list(dict.fromkeys(sentences(body(text))))
    weights = Counter(content_stems(text))
    scores = {
        index: sum(weights[s] for s in set(content_stems(sentence))) / (6 + len(sentence.split()))
        + (0.5 if index == 0 else 0)
        for index, sentence in enumerate(found)
        if len(sentence.split()) > 2
    }
    best = sorted(sorted(scores, key=lambda index: -scores[index])[:limit])
    return [found[index] for index in best] or found[:limit]


def person(text: str) -> str | None:
    """The name somebody gives as their own, or null."""
    name = r"((?:[A-Z][\w'’\-]+)(?: [A-Z][\w'’\-]+)?)"
    for pattern in (
        rf"(?:[Mm]y name is|[Tt]his is|I am|I['’]m) {name}(?=[\s,.!]|$)",
        rf"(?im:^\s*(?:best|regards|kind regards|thanks|thank you|sincerely|cheers|best regards),?\s*\n+\s*)"
        rf"{name}",
        rf"(?:[Rr]egards|[Tt]hanks|[Cc]heers|[Ss]incerely|[Bb]est),\s*{name}\s*$",
    ):
        match = re.search(pattern, text)
        if match:
            return match.group(1)
    return None


def figures(text: str) -> list[tuple[str, float]]:
    """Pairs of a name and its number ("Q1: 10, Q2 = 12", "12 apples and 7 pears"), in order."""
    found: dict[str, float] = {}
    for clause in re.split(r"[;\n]|,(?!\d{3}\b)|\.(?!\d)|\b(?:and|but|while)\b", text):
        numbers = re.findall(r"(?<![\w.\-])[$€£]?(-?\d[\d,]*(?:\.\d+)?)(?=%|k\b|[^\w]|$)", clause)
        if len(numbers) != 1:
            continue
        rest = re.sub(r"(?<!\w)[$€£]?-?\d[\d,.]*%?(?!\w)", " ", clause)
        label = " ".join([word for word in rest.split() if is_content(word.strip(":=-|"))][:3])
        if label.strip(" :=-|"):
            found.setdefault(label.strip(" :=-|"), float(numbers[0].replace(",", "")))
    return list(found.items())


def number_before(noun: str, text: str) -> int | None:
    """The number in "three rows", "5 bullet points", "two short sentences", or null."""
    match = re.search(rf"(?i)\b(\d{{1,3}}|{'|'.join(NUMBERS)})[\s\-]+(?:[\w\-]+\s+){{0,2}}?(?:{noun})", text)
    if match is None:
        return None
    found = match.group(1).lower()
    return NUMBERS[found] if found in NUMBERS else int(found)


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def joined(items: Iterable[str]) -> str:
    """The items as a phrase: "a, b and c"."""
    *most, last = [*items] or [""]
    return f"{', '.join(most)} and {last}" if most else last
