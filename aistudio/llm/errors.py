"""What can go wrong with a model call, said so that anybody can act on it."""

import math
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
import openai

ModelErrorCode = Literal["model_auth", "model_rejected", "model_rate_limited", "model_unavailable"]

RETRYABLE_REJECTIONS = frozenset({408, 409, 425})
REASON_LENGTH = 300

SECRET_SHAPES = re.compile(r"(?i)\bsk-[\w\-*.…]{4,}|\bbearer\s+\S+|\S*\*{3,}\S*")


class ModelError(Exception):
    """A model call that brought no complete answer.

    Attributes:
        code: why, in the contract's words.
        message: cause, next step and the provider's reason; never a key.
        retryable: whether the same call could succeed later.
        retry_after: seconds the provider asked to wait, if it did.
    """

    def __init__(
        self,
        code: ModelErrorCode,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ModelErrorCode = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where model calls go, in the words error messages need.

    Attributes:
        host: host (and port) of the base URL, without credentials or path.
        key: the secret sent there.
        key_variable: the environment variable the key came from.
        read_timeout: seconds of silence after which the call is given up.
    """

    host: str
    key: str
    key_variable: str
    read_timeout: float

    def redact(self, text: str) -> str:
        """The text without this endpoint's key or anything else that looks like one."""
        if len(self.key) >= 4:
            text = text.replace(self.key, "[key removed]")
        return SECRET_SHAPES.sub("[key removed]", text)

    def explain(self, error: Exception, model: str) -> ModelError:
        """What an exception of the openai client (or of reading its stream) means."""
        if isinstance(error, openai.APIStatusError):
            retry_after = seconds_to_wait(error.response.headers.get("retry-after"))
            return self.refusal(error.status_code, error.body, model, retry_after)
        if isinstance(error, openai.APITimeoutError) and isinstance(error.__cause__, httpx2.ReadTimeout):
            return unavailable(
                f"The model at {self.host} sent nothing for {self.read_timeout:g} s. "
                "Try again, or choose a faster model."
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            reason = self.redact(str(cause) or type(cause).__name__)[:REASON_LENGTH]
            return unavailable(
                f"The connection to the model at {self.host} failed ({reason}). "
                "Check the network and the address, then try again."
            )
        if isinstance(error, openai.APIError):
            status = status_of(error.body)
            if status is not None:
                return self.refusal(status, error.body, model, None)
            return unavailable(
                "The model stopped in the middle of its answer. Try again, or choose another model."
                + self._said(error.body)
            )
        if isinstance(error, UnicodeEncodeError):
            return ModelError(
                "model_auth",
                f"The key in {self.key_variable} holds characters no key has. Set it again and restart.",
                retryable=False,
            )
        return unavailable(
            f"The endpoint at {self.host} answered with something that is not a chat completion stream. "
            "Check that its base URL is right."
        )

    def refusal(self, status: int, body: object, model: str, retry_after: float | None) -> ModelError:
        """What an HTTP status (or the same number inside a stream) means."""
        answered = f"The model answered {status}: "
        said = self._said(body)
        if status == 401:
            text = f"the key in {self.key_variable} is not accepted. Set a valid key and restart."
            return ModelError("model_auth", answered + text + said, retryable=False)
        if status == 403:
            text = f"the key in {self.key_variable} may not use {model}. Choose another model or key."
            return ModelError("model_auth", answered + text + said, retryable=False)
        if status == 429:
            wait = f" in {retry_after:.0f} s" if retry_after else " in a moment"
            text = f"too many requests, or the quota of {self.key_variable} is used up. Try again{wait}."
            return ModelError(
                "model_rate_limited", answered + text + said, retryable=True, retry_after=retry_after
            )
        if 400 <= status < 500:
            return ModelError(
                "model_rejected",
                answered + self._advice(status, model) + said,
                retryable=status in RETRYABLE_REJECTIONS,
                retry_after=retry_after,
            )
        text = "the provider has a problem of its own. Try again in a moment, or choose another model."
        return unavailable(answered + text + said, retry_after)

    def _advice(self, status: int, model: str) -> str:
        if status == 402:
            return f"the account of {self.key_variable} has no credit left. Add credit or set another key."
        if status == 404:
            return f"{model} is not known at {self.host}. Choose another model or check the base URL."
        if status == 413:
            return "the prompt is too long for it. Shorten the prompt or its input."
        return f"{model} does not take this request. Check the prompt and the model's settings."

    def _said(self, body: object) -> str:
        reason = " ".join(reason_in(body).split())
        if not reason or reason.startswith("<"):
            return ""
        # Redacted before it is cut: half a key would no longer be recognised.
        reason = self.redact(reason)
        if len(reason) > REASON_LENGTH:
            reason = reason[: REASON_LENGTH - 1] + "…"
        return f" The provider says: {reason}"


def unavailable(message: str, retry_after: float | None = None) -> ModelError:
    """A model that could not be reached or did not finish; worth another try."""
    return ModelError("model_unavailable", message, retryable=True, retry_after=retry_after)


def reason_in(body: object) -> str:
    """The provider's own words inside an error body of any of the usual shapes, or ''."""
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    metadata = body.get("metadata")
    # OpenRouter's message is often just "Provider returned error"; the cause is in `raw`.
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    parts = [reason_in(body.get(name)) for name in ("message", "error", "detail")]
    found = next((part for part in parts if part), "")
    return f"{found} {raw}".strip() if isinstance(raw, str) else found


def status_of(body: object) -> int | None:
    """The HTTP status an error inside a stream stands for, or null when it names none."""
    if not isinstance(body, dict):
        return None
    for name in ("code", "status", "type"):
        value = body.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if isinstance(value, str) and value in STREAM_ERRORS:
            return STREAM_ERRORS[value]
    return None


STREAM_ERRORS = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_credits": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 503,
}


def seconds_to_wait(header: str | None) -> float | None:
    """A Retry-After header (seconds or an HTTP date) as seconds from now, or null."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
