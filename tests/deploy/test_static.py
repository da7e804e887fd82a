"""What can be said of deploy/ without running it."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.engine import Engine
from tests.deploy.images import named
from tests.support.configuration import variables
from tests.support.supervised import ROOT

BIN = Path(sysconfig.get_path("scripts"))
SHELL = sorted(
    path.relative_to(ROOT)
    for path in [ROOT / ".ci" / "run", *ROOT.glob("deploy/**/*.sh"), *ROOT.glob("tests/deploy/**/*.sh")]
)
YAML = ["deploy", ".github"]
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 130}, document-start: disable, "
    "braces: {max-spaces-inside: 1}, truthy: {check-keys: false}}}"
)
LINTERS = {
    "hadolint": ["hadolint", "Dockerfile"],
    "shellcheck": ["shellcheck", *map(str, SHELL)],
    "yamllint": ["yamllint", "--strict", "-d", YAML_RULES, *YAML],
    "compose schema": [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "deploy/compose/compose.yaml",
    ],
    "workflow schema": [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(".github/workflows/*.yml"))),
    ],
    "workflow security": ["zizmor", "--offline", "--min-severity", "medium", ".github"],
}


@pytest.mark.parametrize("command", LINTERS.values(), ids=LINTERS)
def test_the_linter_finds_nothing(command: list[str]) -> None:
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_of_compose_is_in_the_example_and_the_other_way_round() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "deploy/compose/compose.yaml").read_text()))
    example = (ROOT / "deploy/compose/.env.example").read_text()
    listed = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    # Compose itself reads this one.
    assert listed - {"COMPOSE_PROFILES"} == used


def test_compose_hands_every_setting_to_the_programs() -> None:
    compose = (ROOT / "deploy/compose/compose.yaml").read_text()
    program = re.search(r"^x-program:.*?^  environment:\n(.*?)^  \w", compose, re.MULTILINE | re.DOTALL)
    assert program is not None
    given = set(re.findall(r"^    (\w+):", program[1], re.MULTILINE))
    # Where embedded servers keep their data, and the worker beside them: here both are services of their own.
    elsewhere = {"AISTUDIO_HOME", "AISTUDIO_RUN_WORKER"}
    assert {variable.name for variable in variables()} - elsewhere <= given


def test_no_image_floats_and_each_is_pinned_once() -> None:
    text = (ROOT / "deploy/compose/compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()
    versions = {}
    for image in named():
        repository, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+\.\d+|\d+\.\d+-", tag), image
        versions[repository] = tag
        assert set(re.findall(rf"\b{re.escape(repository)}:([\w.-]+)", text)) == {tag}
    assert "latest" not in text
    # The schema's tool and the server must be of one version.
    assert versions["temporalio/server"] == versions["temporalio/admin-tools"]


def test_compose_refuses_to_start_without_passwords(engine: Engine) -> None:
    done = engine.attempt(
        ["docker", "compose", "--env-file", "/dev/null", "config", "-q"], cwd=ROOT / "deploy" / "compose"
    )
    assert done.returncode != 0
    assert "POSTGRES_PASSWORD in .env" in done.stdout
