"""A plausible value for a named field, column or property, taken from the material where it can be."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from aistudio.llm.simulation import judgement
from aistudio.llm.simulation.offers import enumeration
from aistudio.llm.simulation.reading import (
    body,
    capital,
    figures,
    is_content,
    joined,
    key_sentences,
    list_items,
    person,
    sentences,
    topics,
)
from aistudio.llm.simulation.task import Task

DATE = re.compile(
    r"(?i)\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}(?:[./]\d{2,4})?|(?:next |this |by )?"
    r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|today|next week|next month)|"
    r"(?:\d{1,2}(?:st|nd|rd|th)? )?(?:january|february|march|april|may|june|july|august|september|october|"
    r"november|december)(?: \d{1,2}(?:st|nd|rd|th)?)?(?:,? \d{4})?)\b"
)
EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}")
PHONE = re.compile(r"(?<![\w-])\+?\d[\d ()\-/]{6,20}\d(?!\w)")
MONEY = re.compile(r"(?i)[$€£]\s?\d[\d,.]*\d?k?|\b\d[\d,.]*\s?(?:usd|eur|euros?|dollars?|gbp)\b")
URL = re.compile(r"https?://[^\s)>\]]+")
IDENTIFIER = re.compile(r"(?<!\w)#?(?=[A-Z]*-?\d)[A-Z]{0,5}-?\d[\d\-]{2,}\b")

OWNER = re.compile(
    r"\b(?!We|It|The|This|They|You|There|She|He|Please)([A-Z][a-z]+)\b"
    r"(?= (?:will|should|to|must|needs|has to|is going|can|prepares|sends)\b)"
)

# What somebody has to do, and what has been settled.
COMMITMENT = re.compile(
    r"(?i)\b(?:need|needs|must|should|will|please|have to|has to|want|wants|todo|to do|action|make sure|"
    r"let's|going to|plan|prepare|send|fix|review|schedule|agreed|"
    r"by (?:monday|tuesday|wednesday|thursday|friday|tomorrow|the end))\b"
)
DECIDED = re.compile(r"(?i)\b(?:agreed|decided|approved|settled|chose|signed off)\b")

LEVELS = ("High", "Medium", "Low")
STATES = ("Open", "In progress", "Planned")
OWNERS = ("Team lead", "Specialist", "Coordinator")
DUE = ("This week", "Next week", "End of the month")


@dataclass(frozen=True)
class Source:
    """The material that values are taken from."""

    text: str
    sender: str | None = None

    @classmethod
    def of(cls, task: Task) -> "Source":
        """Everything there is to work on."""
        return cls(task.material, person(task.request))

    @cached_property
    def items(self) -> list[str]:
        """What the material lists, or else its most telling sentences."""
        listed = [*dict.fromkeys(list_items(self.text))]
        counted = figures(self.text)
        if len(listed) < 2 and len(counted) > 1 and len(self.text.split()) <= 6 * len(counted):
            listed = [capital(label) for label, _ in counted]
        inline = [o.label for o in enumeration(self.text.split(":", 1)[1])] if ":" in self.text[:200] else []
        if len(listed) < 2 and len(inline) > 2 and all(0 < len(item.split()) < 6 for item in inline):
            listed = inline
        if len(listed) < 2:
            listed = key_sentences(self.text, 5)
        return listed or ["The request"]

    @cached_property
    def topics(self) -> list[str]:
        """What the material is about."""
        return topics(self.text, 8) or ["request"]

    def rows(self, name: str) -> list["Source"] | None:
        """A source for each item of a list of this name: what is to be done, or was decided; else null."""
        if re.search(r"(?i)action|task|to_?do|step", name):
            found = to_do(self.text)
        elif re.search(r"(?i)decision|agree", name):
            found = decided(self.text)
        else:
            return None
        return [Source(one) for one in found]

    def subject(self, row: int = 0) -> str:
        """A short name for the row-th item."""
        item = self.items[row % len(self.items)]
        plain = re.split(r"\s*(?:[:;,(|]|\s-\s|—)\s*", item.strip("*_` "))[0]
        if 0 < len(plain.split()) <= 5:
            return capital(plain.strip(" .!?*_`"))
        told = item.strip('*_` .!?“”"').split()
        while len(told) > 1 and not is_content(told[0].strip(",")):
            told.pop(0)
        told = told[:5]
        while len(told) > 1 and not is_content(told[-1]):
            told.pop()
        return capital(" ".join(told).rstrip(",;:"))

    def detail(self, row: int = 0) -> str:
        """A sentence about the row-th item."""
        return self.items[row % len(self.items)].strip("*_` ")

    def found(self, pattern: re.Pattern[str], row: int = 0) -> str | None:
        """The row-th thing of a shape in the row's item or anywhere in the material."""
        where = self.items[row] if 0 < row < len(self.items) else self.text
        match = pattern.search(self.items[row] if row < len(self.items) else "") or pattern.search(where)
        return match.group() if match else None

    def money(self, row: int = 0) -> float | None:
        """The row-th item's sum of money, or else the material's first, or null."""
        found = self.found(MONEY, row)
        number = re.search(r"\d[\d,]*(?:\.\d+)?", found) if found else None
        return float(number.group().replace(",", "")) if number else None

    def tells(self, name: str, row: int = 0) -> bool:
        """Whether the row-th item names the person or the day that a field of this name asks for."""
        line = self.detail(row)
        for names, shape in (
            (r"owner|assignee|responsible|who|lead", OWNER),
            (r"due|deadline|date|when|day", DATE),
        ):
            if re.search(rf"(?i)(?<![a-z])(?:{names})(?![a-z])", name.replace("_", " ")):
                return shape.search(line) is not None
        return True

    def task(self, row: int = 0) -> str:
        """Something to do about the row-th item."""
        detail = self.detail(row).rstrip(".!?")
        return detail if len(detail.split()) <= 14 else f"Follow up on {self.subject(row).lower()}"

    def owner(self, row: int = 0) -> str:
        """Who the row-th item says will do it."""
        named = OWNER.search(self.detail(row))
        return named.group(1) if named else OWNERS[row % len(OWNERS)]

    def cell(self, name: str, row: int = 0) -> str:
        """A value for a column or field of this name."""
        for names, value in CELLS:
            if re.search(rf"(?i)(?<![a-z])(?:{names.replace(' ', '|')})(?![a-z])", name.replace("_", " ")):
                return value(self, row)
        # A column about something the material speaks of gets what it says.
        about = [s for s in sentences(self.text) if set(topics(name)) & set(topics(s, 12))]
        return about[row % len(about)] if about else capital(self.topics[row % len(self.topics)])

    def amount(self, row: int = 0) -> float:
        """The row-th number of the material, or a steady one of its own."""
        numbers = [value for _, value in figures(self.text)]
        return numbers[row] if row < len(numbers) else float(3 + (len(self.text) + 7 * row) % 40)


# Words in the name of a field or column, and what such a field holds in a row. The first match counts.
CELLS: tuple[tuple[str, Callable[[Source, int], str]], ...] = (
    ("# no nr number index rank id", lambda s, r: s.found(IDENTIFIER, r) or str(r + 1)),
    ("emails? e-mails?", lambda s, r: s.found(EMAIL, r) or "not given"),
    ("phone telephone mobile", lambda s, r: s.found(PHONE, r) or "not given"),
    ("urls? links? website", lambda s, r: s.found(URL, r) or "not given"),
    ("order ticket invoice reference", lambda s, r: s.found(IDENTIFIER, r) or s.subject(r)),
    ("due deadline date when day timeline target", lambda s, r: s.found(DATE, r) or DUE[r % 3]),
    ("prices? costs? amounts? budget total fee value", lambda s, r: s.found(MONEY, r) or f"{s.amount(r):g}"),
    ("qty quantity counts? units hours? days score percent\\w* figures?", lambda s, r: f"{s.amount(r):g}"),
    ("owner assignee responsible who lead person contact", lambda s, r: s.owner(r)),
    (
        "name (?:customer|client|sender|user|full|first)name",
        lambda s, r: (s.sender if r == 0 else None) or s.subject(r),
    ),
    ("priority severity urgency impact likelihood importance effort probability", lambda _, r: LEVELS[r % 3]),
    ("status state progress", lambda _, r: STATES[r % 3]),
    ("sentiment tone mood", lambda s, _: _mood(s.text)),
    ("pros? benefits? advantages? strengths? why", lambda s, r: f"Settles {s.subject(r).lower()} for good"),
    (
        "cons? drawbacks? disadvantages? weakness\\w* risks?",
        lambda s, r: f"Takes time to get {s.subject(r).lower()} right",
    ),
    (
        "mitigation solution fix recommendation answer resolution response",
        lambda s, r: f"Agree on {s.subject(r).lower()} and confirm it in writing",
    ),
    ("actions? steps? tasks? to-?do", lambda s, r: s.task(r)),
    (
        "details? descriptions? notes? summary comments? explanation reason\\w* evidence quote content text",
        lambda s, r: s.detail(r),
    ),
    (
        "titles? subject topics? items? features? products? areas? points? category aspect issue problem",
        lambda s, r: s.subject(r),
    ),
    ("language", lambda *_: "English"),
    ("keywords? tags? entities", lambda s, _: joined(s.topics[:3])),
)


def to_do(text: str) -> list[str]:
    """The sentences that say what somebody has to do."""
    told = [one for one in sentences(body(text)) if not one.endswith("?")]
    return [one for one in told if COMMITMENT.search(one) and not DECIDED.search(one)]


def decided(text: str) -> list[str]:
    """The sentences that say what has been decided."""
    return [one for one in sentences(body(text)) if DECIDED.search(one)]


def _mood(text: str) -> str:
    lean = judgement.leaning(text)
    return "positive" if lean > 0.2 else "negative" if lean < -0.2 else "neutral"
