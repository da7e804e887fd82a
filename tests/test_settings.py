"""The environment is documented, and the documents are true."""

import pytest
from pydantic import ValidationError

from aistudio.settings import Settings
from tests.support.configuration import configuration_page, example_environment, variables
from tests.support.supervised import ROOT


def test_the_configuration_page_lists_every_variable() -> None:
    """After a change: `.venv/bin/python -m tests.support.configuration`."""
    assert (ROOT / "docs" / "configuration.md").read_text() == configuration_page()


def test_the_example_lists_every_variable() -> None:
    assert (ROOT / ".env.example").read_text() == example_environment()


def test_every_variable_is_described() -> None:
    assert all(variable.description.endswith(".") for variable in variables())


def test_everything_is_optional() -> None:
    assert Settings().ai_model == "mistralai/mistral-small-3.2-24b-instruct"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables():
        monkeypatch.setenv(variable.name, "")
    assert Settings() == Settings.model_construct(
        **{name: f.default for name, f in Settings.model_fields.items()}
    )


def test_a_key_is_not_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:very-secret@host/name")
    assert "very-secret" not in repr(Settings())


def test_nonsense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ValidationError, match="log_format"):
        Settings()
