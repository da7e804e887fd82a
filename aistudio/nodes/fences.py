"""Fenced blocks of Markdown, which models like to put their data into."""

import re
from dataclasses import dataclass

_OPENING = re.compile(r"[ \t]*(?P<marks>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^`]*$")
_STRUCTURE = re.compile(r"[ \t]*([#|>]|[-*+][ \t]|\d+[.)][ \t])")
_SMALL_TALK = 240
_CSV = ("csv", "tsv")
_DATA = ("json", "mermaid", *_CSV)


@dataclass(frozen=True, kw_only=True)
class Fence:
    """One closed fenced block; `language` is in lower case and may be blank."""

    language: str
    body: str

    @property
    def is_csv(self) -> bool:
        """Whether the author says that it is CSV."""
        return self.language in _CSV


def find(text: str) -> tuple[list[Fence], list[str]]:
    """The text's closed fenced blocks, and the lines outside of them."""
    fences: list[Fence] = []
    outside: list[str] = []
    inside: list[str] = []
    opening: re.Match[str] | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        if opening is None:
            opening = _OPENING.match(line)
            if opening is None:
                outside.append(line)
            else:
                inside = [line]
        elif _closes(line, opening["marks"]):
            fences.append(Fence(language=opening["language"].lower(), body="\n".join(inside[1:])))
            opening = None
        else:
            inside.append(line)
    if opening is not None:
        outside += inside
    return fences, outside


def unwrap(text: str) -> Fence:
    """The one block of data a text consists of; a text that is more than that comes back as it is.

    A short lead-in ("Here is the chart:") does not count when the fence names its data.
    """
    fences, outside = find(text)
    around = [line for line in outside if line.strip()]
    if len(fences) == 1:
        named = fences[0].language in _DATA
        small_talk = sum(map(len, around)) <= _SMALL_TALK and not any(map(_STRUCTURE.match, around))
        if (not around and fences[0].language == "") or (named and small_talk):
            return fences[0]
    return Fence(language="", body=text)


def _closes(line: str, marks: str) -> bool:
    line = line.strip()
    return len(line) >= len(marks) and set(line) == {marks[0]}
