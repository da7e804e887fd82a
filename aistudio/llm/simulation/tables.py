"""Tables: the columns a prompt asks for, filled from the material."""

import csv
import io
import re

from aistudio.llm.simulation import judgement
from aistudio.llm.simulation.fields import Source
from aistudio.llm.simulation.offers import enumeration, offers
from aistudio.llm.simulation.reading import BULLET, capital, number_before
from aistudio.llm.simulation.task import Task

COLUMN_WORD = r"(?:columns?|headers?|headings?|column names?|column headers?)"
COLUMN_LISTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{COLUMN_WORD}\b"
        r"(?: (?:named|called|titled|are|should be|must be|for|labell?ed|of|as follows))*[ \t]*[:=]?[ \t]*",
        r"\btable (?:of|with|showing|listing|containing|that (?:has|lists|shows)|for)\b:?\s+"
        rf"(?!(?:(?:\w+|exactly \w+) )?{COLUMN_WORD}\b)",
        r"\b(?:for each|per) [\w ]{1,30}?(?:,|:| list| give| show| include| state| add)+\s+",
    )
]
HEADER_ROW = re.compile(r"^\s*\|(.+)\|\s*$", re.MULTILINE)
DEFAULT_COLUMNS = ["Topic", "Details", "Next step"]
ROWS = r"(?:rows?|items?|entries|lines?|options?|examples?|points?|steps?|tasks?|products?)\b"


def columns(prompt: str) -> list[str]:
    """The columns the prompt names, as it writes them, or a sensible default."""
    header = HEADER_ROW.search(prompt)
    if header:
        named = [cell.strip(" *`") for cell in header.group(1).split("|")]
        if len(named) > 1 and not all(set(cell) <= set("-: ") for cell in named):
            return named
    for pattern in COLUMN_LISTS:
        for match in pattern.finditer(prompt):
            found = [_clean(offer.label) for offer in enumeration(prompt[match.end() :])]
            if 1 < len(found) <= 12 and all(0 < len(name.split()) <= 5 for name in found):
                return found
    return DEFAULT_COLUMNS


def rows(task: Task, names: list[str]) -> list[list[str]]:
    """A row for each item of the material, as many as asked for."""
    source = Source.of(task)
    asked = number_before(ROWS, task.wanted)
    count = asked or max(2, min(5, len(source.items)))
    labels = (
        offers(task.instructions)
        if re.search(r"(?i)classif(?!ied)|categori[sz](?!ed)|one of", task.wanted)
        else []
    )
    table = []
    for row in range(min(count, 50)):
        cells = []
        for name in names:
            sorts = labels and re.search(r"(?i)categor|class|label|type|priority|sentiment", name)
            text = source.detail(row)
            cells.append(judgement.choose(labels, text, "") if sorts else source.cell(name, row))
        table.append(cells)
    return table


def markdown(task: Task) -> str:
    """The table in GitHub's Markdown."""
    names = columns(task.wanted)
    lines = [names, ["---"] * len(names), *rows(task, names)]
    return "\n".join("| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines)


def comma_separated(task: Task) -> str:
    """The table as CSV."""
    names = columns(task.wanted)
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([names, *rows(task, names)])
    return target.getvalue().strip()


def _clean(name: str) -> str:
    name = re.sub(r"(?i)^(?:the |an? |its |their |columns? )+", "", BULLET.sub("", name).strip())
    return capital(re.split(r"\s+(?:for|from|about)\b", name)[0])


def _escape(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
