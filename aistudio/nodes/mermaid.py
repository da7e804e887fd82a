"""Tells mermaid source from prose that merely begins with one of its words."""

import re

_WORD_HEADERS = {
    # English words: the header alone proves nothing, so the body must look the part.
    "pie": re.compile(r'\s*"[^"]*"\s*:\s*[\d.]+\s*$'),
    "gantt": re.compile(
        r"\s*dateFormat\s|[^:]+:[^:]*\b(\d{4}-\d{2}|after\s|\d+[dhwm]\b|done|active|crit|milestone)"
    ),
    "journey": re.compile(r"[^:]+:\s*\d"),
    "timeline": re.compile(r"[^:]+\s:\s*\S"),
    "mindmap": re.compile(r"\s+\S"),
    "kanban": re.compile(r"\s+\S"),
    "block": re.compile(r"\s*(columns\s+\d|\w+\s*[\[(]|block\b)"),
    "packet": re.compile(r"\s*\+?\d+(-\d+)?\s*:"),
    "treemap": re.compile(r'\s*"[^"]*"'),
}
_WORD_HEADER = re.compile(
    r"(?P<word>pie)(\s+showData)?(\s+title\s.*)?$"
    r"|(?P<plain>gantt|journey|timeline|mindmap|kanban|block|packet|treemap)(-beta)?$"
)
_COINED_HEADER = re.compile(
    r"(sequenceDiagram|classDiagram(-v2)?|stateDiagram(-v2)?|erDiagram|quadrantChart"
    r"|requirementDiagram|C4(Context|Container|Component|Dynamic|Deployment)|sankey(-beta)?"
    r"|xychart(-beta)?(\s+(horizontal|vertical))?|architecture-beta|architecture|radar-beta|zenuml"
    r"|gitGraph(\s+(LR|TB|BT))?:?)$"
)
_GRAPH_HEADER = re.compile(
    r"(graph|flowchart|flowchart-elk)(?P<direction>\s+(TB|TD|BT|RL|LR))?\s*(?P<rest>;.*)?$"
)
_EDGE = re.compile(r"--|==|-\.|~~~")
_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n---[ \t]*\n", re.DOTALL)


def is_mermaid(text: str) -> bool:
    """Whether the text, without a fence around it, is the source of a mermaid diagram."""
    text = text.strip()
    front = _FRONT_MATTER.match(text)
    lines = [
        line
        for line in text[front.end() if front else 0 :].splitlines()
        if line.strip() and not line.lstrip().startswith("%%")
    ]
    if not lines:
        return False
    header, body = lines[0].strip(), lines[1:]
    graph = _GRAPH_HEADER.match(header)
    if graph:
        statements = [*(graph["rest"] or "").split(";"), *body]
        if graph["direction"]:
            return any(statement.strip() for statement in statements)
        return any(_EDGE.search(statement) for statement in statements)
    if _COINED_HEADER.match(header):
        return bool(body)
    word = _WORD_HEADER.match(header)
    if word:
        looks_right = _WORD_HEADERS[word["word"] or word["plain"]]
        return any(looks_right.match(line) for line in body)
    return False
