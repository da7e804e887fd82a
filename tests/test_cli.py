"""What the commands say when they cannot do their work."""

import pytest
from click.testing import CliRunner

from aistudio.cli import main
from aistudio.settings import settings


@pytest.mark.parametrize("command", ["migrate", "worker", "serve"])
@pytest.mark.parametrize("url", ["mysql://me:very-secret@host/name", "postgresql://me:very-secret@host:x y/"])
def test_a_bad_database_url_is_a_sentence_without_the_url(
    command: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.cache_clear()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    said = CliRunner().invoke(main, [command])
    settings.cache_clear()
    assert said.exit_code == 1
    assert isinstance(said.exception, SystemExit)
    assert "DATABASE_URL cannot be used. This is not a PostgreSQL URL" in said.output
    assert "very-secret" not in said.output
