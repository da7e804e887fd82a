"""Every environment variable AI Studio reads: typed, documented, read once."""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _host(text: str) -> str:
    place = urlsplit(f"//{text}")
    plain = text.isascii() and text == place.netloc and not set("@% ") & set(text)
    if not plain or not place.hostname or place.port == 0:
        raise ValueError("write a host or host:port, an IPv6 address in brackets")
    return text


Host = Annotated[str, AfterValidator(_host)]


class Settings(BaseSettings):
    """The process's configuration. An empty variable counts as unset.

    `.env` is read by the `aistudio` command, which puts it into the environment of what it starts: so
    Temporal's own variables (TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS…) may stand there too. Those
    are read by `temporalio.envconfig` and are not repeated here.
    """

    # What is refused may be a URL with a password in it, and refusals are logged.
    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

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
    tavily_api_key: SecretStr | None = Field(
        default=None,
        description="Key for Tavily's web search. Unset: agents with web search answer without it.",
    )
    global_variables: dict[str, JsonValue] = Field(
        default={}, description="JSON object behind {{global.…}}. Never secrets."
    )
    http_node_allow_hosts: Annotated[tuple[Host, ...], NoDecode] = Field(
        default=(),
        description=(
            "Hosts that HTTP nodes may call although they are not on the public internet: each a host or "
            "host:port as it stands in the URL (an IPv6 address in brackets), separated by commas or as a "
            "JSON list. Whoever may run a workflow reaches them."
        ),
    )
    rate_limit_execute_per_minute: PositiveInt | None = Field(
        default=None, description="How many runs one client may start within a minute. Unset: any number."
    )
    rate_limit_execute_per_day: PositiveInt | None = Field(
        default=None, description="How many runs one client may start within 24 hours. Unset: any number."
    )
    trust_proxy: NonNegativeInt = Field(
        default=0,
        description=(
            "How many trusted proxies every request passes, each of which adds to X-Forwarded-For. With 0 "
            "the header is ignored, and the client is whoever connects."
        ),
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description=(
            "Redis, as redis://user:password@host:6379/0 (or rediss://, unix://), where several web "
            "processes count together. Unset: each counts for itself."
        ),
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description=(
            "Every worker deletes runs that ended more than so many days ago, at its start and daily. "
            "Unset: they stay."
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

    @field_validator("http_node_allow_hosts", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        if given.lstrip().startswith("["):
            with suppress(ValueError):
                return json.loads(given)
        return [host.strip() for host in given.split(",") if host.strip()]

    @field_validator("redis_url")
    @classmethod
    def _names_a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis(url.get_secret_value()):
            raise ValueError("This is not a Redis URL, which looks like redis://host:6379/0.")
        return url


def _is_redis(url: str) -> bool:
    # Imported here: whoever names no Redis need not wait for it.
    from redis.asyncio import ConnectionPool
    from redis.exceptions import RedisError

    try:
        place = urlsplit(url)
        # An option in the query that does not exist is noticed no earlier.
        ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, RedisError):
        return False
    if place.scheme == "unix":
        return bool(place.path)
    number = place.path.removeprefix("/")
    return bool(place.hostname) and (not number or number.isdecimal())


@cache
def settings() -> Settings:
    """The settings, read from the environment on the first call."""
    return Settings()
