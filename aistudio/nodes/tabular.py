"""Tables written as text: CSV, and the tables of Markdown."""

import csv
import re
from collections import Counter
from collections.abc import Iterable

from pydantic import JsonValue

Row = dict[str, JsonValue]

_DELIMITERS = ("\t", ";", ",")
_MARKUP = re.compile(r"\s*([-*+>#|<{\[]|\d+[.)]\s|```)")
_SENTENCE_END = re.compile(r"[.!?:;,…]$")
_VALUE = re.compile(
    r"[-+]?[$€£]?\s?\d[\d.,' ]*\s?[%$€£kKmM]?$"  # numbers, money, percentages
    r"|\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}.*)?)?$"
    r"|(?i:true|false)$"
)
_YEAR = re.compile(r"(19|20)\d{2}$")
_DIVIDER_CELL = re.compile(r":?-+:?$")


def read_csv(text: str, *, wanted: bool = False, sure: bool = False) -> list[Row] | None:
    """The rows of a CSV text with a header line, or null when it is none.

    Prose has commas too, so a guess asks for more than equal columns: a header of short names,
    short cells, and either a column of numbers, dates or booleans, or cells that follow their
    comma directly. `wanted` (somebody asked for a table) asks for equal columns and such a header,
    `sure` (the author said it is CSV) for equal columns only. Cells stay text.
    """
    lines = _lines(text.strip("\r\n"))
    if len(lines) < 2:
        return None
    for delimiter in _DELIMITERS:
        if delimiter not in lines[0]:
            continue
        rows = _split(lines, delimiter)
        if rows is None or not _is_header(rows[0], named=sure):
            continue
        if sure or wanted or _looks_like_data(lines, rows, delimiter):
            return [dict(zip(rows[0], cells, strict=True)) for cells in rows[1:]]
    return None


def read_markdown_table(text: str) -> list[Row] | None:
    """The rows of the first Markdown table in the text, or null when there is none."""
    lines = _lines(text)
    for index in range(1, len(lines)):
        if "|" not in lines[index - 1] or "-" not in lines[index]:
            continue
        header, divider = _cells(lines[index - 1]), _cells(lines[index])
        if len(header) != len(divider) or not all(_DIVIDER_CELL.match(cell) for cell in divider):
            continue
        names = distinct(header)
        rows: list[Row] = []
        for line in lines[index + 1 :]:
            if "|" not in line:
                break
            cells = [*_cells(line), *[""] * len(names)][: len(names)]
            rows.append(dict(zip(names, cells, strict=True)))
        return rows or None
    return None


def distinct(names: Iterable[str]) -> list[str]:
    """The names with blank ones numbered and repeated ones told apart, so that no cell is lost."""
    taken: set[str] = set()
    seen: Counter[str] = Counter()
    fresh: list[str] = []
    for position, name in enumerate(names, start=1):
        name = name or f"Column {position}"
        candidate = name
        while candidate in taken:
            seen[name] += 1
            candidate = f"{name} ({seen[name] + 1})"
        taken.add(candidate)
        fresh.append(candidate)
    return fresh


def _lines(text: str) -> list[str]:
    # Not splitlines(): a cell may hold any of the rarer characters that it takes for line ends.
    return text.replace("\r\n", "\n").split("\n")


def _split(lines: list[str], delimiter: str) -> list[list[str]] | None:
    """The cells of each record, if all have as many (two at least) and none is blank."""
    try:
        rows = list(
            csv.reader(
                (line + "\n" for line in lines), delimiter=delimiter, skipinitialspace=True, strict=True
            )
        )
    except csv.Error:
        return None
    width = len(rows[0])
    if len(rows) < 2 or width < 2 or any(len(row) != width for row in rows):
        return None
    return [[cell.strip() for cell in row] for row in rows]


def _is_header(names: list[str], *, named: bool) -> bool:
    """Whether these can be column names: present, different, and (unless `named`) short and plain."""
    if not all(names) or len({name.casefold() for name in names}) != len(names):
        return False
    return named or all(
        len(name) <= 40
        and len(name.split()) <= 5
        and not _SENTENCE_END.search(name)
        and not _MARKUP.match(name)
        and name.count("(") == name.count(")")
        and (not _VALUE.match(name) or (_YEAR.match(name) and len(names) > 2))
        for name in names
    )


def _looks_like_data(lines: list[str], rows: list[list[str]], delimiter: str) -> bool:
    body = rows[1:]
    if any(len(cell) > 200 for row in body for cell in row):
        return False
    for column in zip(*body, strict=True):
        filled = [cell for cell in column if cell]
        if filled and all(_VALUE.match(cell) for cell in filled):
            return True
    prose = any(delimiter + " " in line or _SENTENCE_END.search(line.rstrip()) for line in lines)
    return not prose


def _cells(line: str) -> list[str]:
    """The cells of a Markdown table's line; `\\|` is a bar inside a cell."""
    line = line.strip()
    line = line.removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
