"""Who may import whom, as the house plan says; the contracts stand in pyproject.toml."""

import sys

import grimp
import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.support.supervised import ROOT


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import of the package."""
    return grimp.build_graph("aistudio", include_external_packages=True, cache_dir=None)


def test_every_contract_of_the_house_plan_is_kept() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_graph_imports_the_standard_library_and_pydantic_and_nothing_else(imports: grimp.ImportGraph) -> None:
    allowed = {*sys.stdlib_module_names, "pydantic", "pydantic_core", "aistudio"}
    modules = {"aistudio.graph", *imports.find_descendants("aistudio.graph")}
    used = {target for module in modules for target in imports.find_modules_directly_imported_by(module)}
    assert {module.partition(".")[0] for module in used} <= allowed
    assert {module for module in used if module.startswith("aistudio")} <= modules


def test_alembic_at_the_top_is_no_package() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
