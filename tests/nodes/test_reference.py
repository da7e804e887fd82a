from pathlib import Path

from aistudio.nodes import reference
from aistudio.nodes.registry import specs

PAGE = Path(__file__).parents[2] / "docs" / "nodes.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == reference.page(), (
        "run: python -m aistudio.nodes.reference > docs/nodes.md"
    )


def test_the_page_names_every_kind_and_every_field() -> None:
    page = reference.page()
    for spec in specs().values():
        section = page.split(f"## {spec.title}: `{spec.name}`\n")[1].split("\n## ")[0]
        for field in spec.config.model_fields:
            assert f"| `{field}` |" in section
    assert "| `branches.*.conditions.*.operator` |" in page
