"""docs/configuration.md and .env.example, written from the settings.

To write them anew: `python -m tests.support.configuration`.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from aistudio.settings import Settings
from tests.support.supervised import ROOT


class Variable(NamedTuple):
    """One environment variable."""

    name: str
    default: str
    description: str


def variables() -> list[Variable]:
    """Every variable that the settings read, in their order."""
    return [
        Variable(name.upper(), _shown(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def configuration_page() -> str:
    """docs/configuration.md."""
    rows = "\n".join(
        f"| `{name}` | {f'`{default}`' if default else ''} | {description} |"
        for name, default, description in variables()
    )
    return f"""# Configuration

Everything is optional in development. The `aistudio` command (so `make run` and `make serve`) also reads
`.env` in the directory it is started in; what stands in the environment wins. An empty variable counts as
unset. Copy `.env.example` to begin with.

| variable | default | meaning |
| --- | --- | --- |
{rows}

For `make run` the ports are Reflex's own variables: `REFLEX_FRONTEND_PORT` (default 3000) and
`REFLEX_BACKEND_PORT` (default 8000). For `make serve` it is `PORT`.
"""


def example_environment() -> str:
    """.env.example."""
    blocks = "\n".join(
        f"\n# {description}{f' Default: {default}' if default else ''}\n{name}="
        for name, default, description in variables()
    )
    return f"# Copy to .env and fill in what you need: everything is optional.\n{blocks}\n"


def _shown(default: Any) -> str:
    if default is None or default in ({}, [], ()):
        return ""
    if isinstance(default, bool):
        return ""
    return str(default) if isinstance(default, str | Path) else json.dumps(default)


if __name__ == "__main__":
    (ROOT / "docs" / "configuration.md").write_text(configuration_page())
    (ROOT / ".env.example").write_text(example_environment())
