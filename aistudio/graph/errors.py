"""Codes of what can go wrong, and the one exception a node raises."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a node or a run failed (contract, section 4)."""

    MODEL_AUTH = "model_auth"
    MODEL_REJECTED = "model_rejected"
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_UNAVAILABLE = "model_unavailable"
    BUDGET_EXHAUSTED = "budget_exhausted"
    TIMEOUT = "timeout"
    NO_BRANCH_MATCHED = "no_branch_matched"
    CONDITION_TYPE = "condition_type"
    UNRESOLVED_REFERENCE = "unresolved_reference"
    BLOCKED_ADDRESS = "blocked_address"
    HTTP_STATUS = "http_status"
    SCHEMA_MISMATCH = "schema_mismatch"
    OUTPUT_TOO_LARGE = "output_too_large"
    APPROVAL_TIMEOUT = "approval_timeout"
    INTERNAL = "internal"


class ProblemCode(StrEnum):
    """What is wrong with a workflow's definition (contract, section 2)."""

    CYCLE = "cycle"
    UNKNOWN_NODE = "unknown_node"
    DUPLICATE_ID = "duplicate_id"
    NO_TRIGGER = "no_trigger"
    UNKNOWN_KIND = "unknown_kind"
    INVALID_CONFIG = "invalid_config"
    NO_BRANCHES = "no_branches"
    UNKNOWN_PORT = "unknown_port"
    MALFORMED_REFERENCE = "malformed_reference"
    UNKNOWN_NAMESPACE = "unknown_namespace"
    UNKNOWN_REFERENCE = "unknown_reference"
    TOO_LARGE = "too_large"
    NOT_CONNECTED = "not_connected"


class NodeError(Exception):
    """A node could not produce its output.

    Attributes:
        code: why, in the contract's words.
        message: cause and next step, safe to show to anybody.
        retryable: whether another attempt could succeed.
        retry_after: seconds the other side asked to wait, if it did.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
