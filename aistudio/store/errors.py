"""What storage can refuse, as exceptions."""


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached or did not answer in time."""


class MigrationError(Exception):
    """The schema could not be brought up to date; nothing was changed."""


class InvalidCursor(ValueError):
    """A list's cursor is not one that an earlier page gave out."""


class RevisionConflict(Exception):
    """Somebody else saved the workflow first.

    Attributes:
        current: the revision that is stored now.
    """

    def __init__(self, current: int) -> None:
        super().__init__(f"The workflow is at revision {current} by now.")
        self.current = current


class IdempotencyMismatch(Exception):
    """The idempotency key was used before, with another body."""


class OutputTooLarge(ValueError):
    """A node's output is over 8 MiB of compact JSON."""
