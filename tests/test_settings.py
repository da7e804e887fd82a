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


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "redis://user:very-secret@cache.example:6379/0",
        "rediss://:very-secret@10.0.0.1:6380/2?ssl_cert_reqs=none",
        "redis://[2001:db8::1]:6379",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_redis_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert "very-secret" not in repr(Settings())


@pytest.mark.parametrize(
    "url",
    [
        "cache",
        "cache:6379",
        "redis:",
        "redis://",
        "redis:very-secret@cache",
        "http://user:very-secret@cache",
        "memcached://user:very-secret@cache",
        "redis+cluster://user:very-secret@cache",
        "redis://user:very-secret@cache:port",
        "redis://user:very-secret@cache:99999",
        "redis://user:very-secret@[cache",
        "redis://user:very-secret@cache/name",
        "redis://user:very-secret@cache?no_such_option=1",
        "redis://user:very-secret@cache?db=x",
        "unix://",
    ],
)
def test_what_is_no_redis_url_is_refused_without_being_told(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(ValidationError, match="redis_url") as caught:
        Settings()
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_EXECUTE_PER_MINUTE", "0"),
        ("RATE_LIMIT_EXECUTE_PER_MINUTE", "-1"),
        ("RATE_LIMIT_EXECUTE_PER_DAY", "1.5"),
        ("RATE_LIMIT_EXECUTE_PER_DAY", "many"),
        ("TRUST_PROXY", "-1"),
        ("TRUST_PROXY", "true"),
    ],
)
def test_a_number_is_a_number(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_nonsense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ValidationError, match="log_format"):
        Settings()
