"""What is wrong with a workflow, and where."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from aistudio.graph.errors import ProblemCode

Location: TypeAlias = Sequence[str | int]

# A megabyte of nonsense in one node is one mistake, not a hundred thousand.
MAX_PER_PART = 100


class Problem(BaseModel):
    """One thing that is wrong. A problem names a node, an edge, or neither.

    Attributes:
        path: keys and indexes joined by dots, within the node or edge that is named, otherwise
            within the document; '' means all of it.
    """

    model_config = ConfigDict(frozen=True)

    code: ProblemCode
    severity: Literal["error", "warning"]
    message: str
    node_id: str | None = Field(default=None, exclude_if=lambda value: value is None)
    edge_id: str | None = Field(default=None, exclude_if=lambda value: value is None)
    path: str


class Report:
    """Gathers the problems of one document, each under the node or edge it lies in.

    Attributes:
        problems: in the order of their discovery.
    """

    def __init__(self, raw: dict[str, JsonValue]) -> None:
        self._raw = raw
        self._counts: Counter[tuple[str | int, ...]] = Counter()
        self.problems: list[Problem] = []

    @property
    def failed(self) -> bool:
        """Whether any problem is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    def add(
        self,
        code: ProblemCode,
        location: Location,
        message: str,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a problem at a place of the document, given from its root."""
        part = tuple(location[:2]) if location[:1] in (("nodes",), ("edges",)) else ()
        self._counts[part] += 1
        if self._counts[part] > MAX_PER_PART:
            return
        node_id, edge_id = self._id("nodes", location), self._id("edges", location)
        inside = location if node_id is None and edge_id is None else location[2:]
        self.problems.append(
            Problem(
                code=code,
                severity=severity,
                message=_readable(message),
                node_id=node_id,
                edge_id=edge_id,
                path=_readable(".".join(map(str, inside))),
            )
        )

    def _id(self, parts: str, location: Location) -> str | None:
        if len(location) < 2 or location[0] != parts:
            return None
        listed, index = self._raw.get(parts), location[1]
        part = listed[index] if isinstance(listed, list) and isinstance(index, int) else None
        given = part.get("id") if isinstance(part, dict) else None
        return _readable(given) if isinstance(given, str) and given else None


def _readable(text: str) -> str:
    """The text with halves of Unicode pairs, which no UTF-8 can carry, replaced."""
    return text.encode("utf-8", "replace").decode()
