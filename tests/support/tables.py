"""Reading the tables of a Markdown page, so that what it promises can be tried."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(page: str, first_heading: str) -> list[dict[str, str]]:
    """The rows of the page's table whose first column has this heading, as cells by heading; no backticks."""
    lines = (DOCS / page).read_text().splitlines()
    start = next(place for place, line in enumerate(lines) if _cells(line)[:1] == [first_heading])
    headings = _cells(lines[start])
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(headings, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
