"""What a use case answers instead of a result."""

from collections.abc import Mapping

from pydantic import JsonValue


class StudioError(Exception):
    """A use case could not do what was asked.

    Attributes:
        status: how the refusal ranks, in HTTP's numbers (404 unknown, 409 conflict, 422 wrong, 503 down).
        code: why, in the contract's words.
        message: cause and next step, safe to show to anybody.
        details: what a program needs to react, as JSON.
    """

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, JsonValue] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})


def not_found(what: str) -> StudioError:
    """Nothing of that id belongs to the actor."""
    return StudioError(404, "not_found", f"There is no such {what}.")


def invalid_request(where: str, problem: str) -> StudioError:
    """One part of a request is not what it must be."""
    return StudioError(
        422, "invalid_request", f"{where}: {problem}", {"errors": [{"where": where, "message": problem}]}
    )


def too_large(message: str, limit_bytes: int) -> StudioError:
    """Something is bigger than it may be."""
    return StudioError(413, "too_large", message, {"limit_bytes": limit_bytes})


def unavailable(server: str, cause: str) -> StudioError:
    """A server the studio stands on does not answer right now."""
    return StudioError(
        503,
        "unavailable",
        f"{cause} Try again in a moment.",
        {"server": server},
    )
