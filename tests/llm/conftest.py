"""A model endpoint on this machine, and clients that talk to it: no test here reaches the internet."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from aistudio.llm.client import ModelClient
from aistudio.settings import Settings
from tests.support.model_server import ModelServer

KEY = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have keys of their own: they must not be used."""
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "AI_MODEL", "AI_PRICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
async def client_of(server: ModelServer) -> AsyncIterator[Callable[..., ModelClient]]:
    """Makes clients of the test's endpoint; settings may be overridden by name."""
    made: list[ModelClient] = []

    def make(**settings: object) -> ModelClient:
        defaults: dict[str, object] = {"openai_api_key": KEY, "openai_base_url": server.base_url}
        made.append(ModelClient(Settings(**(defaults | settings))))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(client_of: Callable[..., ModelClient]) -> ModelClient:
    return client_of()
