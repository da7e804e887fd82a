"""Who may import whom, as the house plan says; the contracts stand in pyproject.toml."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import grimp
import pytest

from tests.support.supervised import ROOT


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import of the package."""
    return grimp.build_graph("aistudio", include_external_packages=True, cache_dir=None)


def test_every_contract_of_the_house_plan_is_kept() -> None:
    # As a process of its own: the linter silences every logger there is.
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_graph_imports_the_standard_library_and_pydantic_and_nothing_else(imports: grimp.ImportGraph) -> None:
    allowed = {*sys.stdlib_module_names, "pydantic", "pydantic_core", "aistudio"}
    modules = {"aistudio.graph", *imports.find_descendants("aistudio.graph")}
    used = {target for module in modules for target in imports.find_modules_directly_imported_by(module)}
    assert {module.partition(".")[0] for module in used} <= allowed
    assert {module for module in used if module.startswith("aistudio")} <= modules


def test_alembic_at_the_top_is_no_package() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
