"""What nginx must know of the built page, its addresses and its policy, as a piece of configuration."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from aistudio.ui.bundle import page_policy

# Reflex renders these to files of their own.
RENDERED = frozenset({"index", "404"})


def locations(routes: Iterable[str]) -> list[str]:
    """Regular expressions for the paths of pages that are made in the browser, as `w/[workflow_id]` is."""
    return [f"^/{_pattern(route)}/?$" for route in routes if route not in RENDERED]


def configuration(routes: Iterable[str], policy: str) -> str:
    """The piece of nginx.conf, for inclusion at the level of `http`."""
    pages = "\n".join(f'    "~{location}" 1;' for location in locations(routes))
    return f"""map $uri $is_page {{
    default 0;
{pages}
}}
map $sent_http_content_type $page_policy {{
    default "";
    "~^text/html" "{policy}";
}}
"""


def _pattern(route: str) -> str:
    return "/".join("[^/]+" if part.startswith("[") else re.escape(part) for part in route.split("/"))


def main(web_directory: Path, target: Path) -> None:
    """Write the piece for the build in Reflex's web directory."""
    routes: list[str] = json.loads((web_directory / "routes.json").read_text())
    target.write_text(configuration(routes, page_policy(web_directory / "build" / "client")))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
