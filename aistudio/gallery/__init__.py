"""Workflows to start from. Each is one JSON file of this package."""

import json
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, JsonValue

# What a new visitor sees.
FIRST = "sales-inquiry-pipeline"


class Sample(BaseModel):
    """An input to try a template with, and the decision's branch it should take.

    The branch is null where it depends on more than the input, or nothing is decided.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    input: str
    branch: str | None


class Template(BaseModel):
    """A workflow of the gallery; `outcome` says in one line what a run leaves behind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    name: str
    description: str
    outcome: str
    samples: tuple[Sample, ...]
    graph: dict[str, JsonValue]


@cache
def templates() -> tuple[Template, ...]:
    """Every template, `FIRST` before the others."""
    found = [
        Template.model_validate(json.loads(file.read_text("utf-8")))
        for file in resources.files(__name__).iterdir()
        if file.name.endswith(".json")
    ]
    return tuple(sorted(found, key=lambda template: (template.slug != FIRST, template.slug)))
