"""Every environment variable AI Studio reads: typed, documented, read once."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, NonNegativeInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The process's configuration. An empty variable counts as unset.

    `.env` is read by the `aistudio` command, which puts it into the environment of what it starts: so
    Temporal's own variables (TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS…) may stand there too. Those
    are read by `temporalio.envconfig` and are not repeated here.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL, as postgresql://user:password@host/name. Unset: the embedded server.",
    )
    temporal_address: str | None = Field(
        default=None,
        description=(
            "host:port of Temporal. Unset: the embedded server. Temporal's other standard variables "
            "(TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS…) count as well."
        ),
    )
    openrouter_api_key: SecretStr | None = Field(
        default=None, description="Key for OpenRouter. Unset, and no OPENAI_API_KEY: the offline model."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, description="Key for any endpoint that speaks OpenAI's protocol."
    )
    openai_base_url: str | None = Field(
        default=None, description="That endpoint's base URL, as https://host/v1."
    )
    ai_model: str = Field(
        default="mistralai/mistral-small-3.2-24b-instruct",
        description="The model of agents that name none.",
    )
    ai_prices: dict[str, tuple[float, float]] = Field(
        default={},
        description=(
            'US dollars per million tokens, as {"model": [input, output]}. Adds to the built-in table.'
        ),
    )
    global_variables: dict[str, JsonValue] = Field(
        default={}, description="JSON object behind {{global.…}}. Never secrets."
    )
    trust_proxy: NonNegativeInt = Field(
        default=0,
        description=(
            "How many trusted proxies every request passes, each of which adds to X-Forwarded-For. With 0 "
            "the header is ignored, and the client is whoever connects."
        ),
    )
    aistudio_home: Path = Field(
        default=Path(".aistudio"), description="Where the embedded servers keep their data."
    )
    aistudio_run_worker: bool = Field(
        default=False,
        description="Run a worker inside the web process. Unset: only when Temporal is embedded.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How log lines look: text for people, json for collectors."
    )


@cache
def settings() -> Settings:
    """The settings, read from the environment on the first call."""
    return Settings()
