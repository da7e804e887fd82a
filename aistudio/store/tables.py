"""The tables. Every row says whose it is."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.types import TypeDecorator

from aistudio.store.encoding import escape, unescape


class AnyText(TypeDecorator[str]):
    """Text with every character Python knows, NUL and lone surrogates included."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else unescape(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

NOW = text("clock_timestamp()")

workflows = Table(
    "workflows",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("owner_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    # `json`, not `jsonb`: key order, number forms and \u0000 stay as they came.
    Column("graph", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("published_version", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("deleted_at", DateTime(timezone=True)),
)
Index(
    "ix_workflows_owner_id_newest",
    workflows.c.owner_id,
    workflows.c.created_at,
    workflows.c.id,
    postgresql_where=workflows.c.deleted_at.is_(None),
)
Index("ix_workflows_deleted", workflows.c.deleted_at, postgresql_where=workflows.c.deleted_at.is_not(None))

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow_id", ForeignKey("workflows.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("graph", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    PrimaryKeyConstraint("workflow_id", "version"),
)

executions = Table(
    "executions",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("owner_id", AnyText, nullable=False),
    Column("workflow_id", ForeignKey("workflows.id"), nullable=False),
    Column("version", Integer),
    Column("status", String(16), nullable=False),
    Column("has_input", Boolean, nullable=False),
    Column("input", JSON, nullable=False),
    Column("graph", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    # Null once a call of unknown price was made: adding null gives null, and stays null.
    Column("cost_usd", Numeric(asdecimal=False), server_default="0"),
    Column("last_sequence", Integer, nullable=False, server_default="0"),
    Column("rerun_of", Uuid(as_uuid=False)),
)
Index("ix_executions_owner_id_newest", executions.c.owner_id, executions.c.created_at, executions.c.id)
Index("ix_executions_workflow_id_newest", executions.c.workflow_id, executions.c.created_at, executions.c.id)
Index(
    "ix_executions_unfinished",
    executions.c.created_at,
    postgresql_where=executions.c.status.not_in(["completed", "failed", "cancelled"]),
)
Index(
    "ix_executions_finished",
    executions.c.finished_at,
    postgresql_where=executions.c.status.in_(["completed", "failed", "cancelled"]),
)

events = Table(
    "events",
    metadata,
    Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("owner_id", AnyText, nullable=False),
    # What the event says, as a name: the same fact is never written twice.
    Column("key", AnyText, nullable=False),
    Column("type", String(32), nullable=False),
    Column("node_id", AnyText),
    Column("attempt", Integer, nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("payload", JSON, nullable=False),
    PrimaryKeyConstraint("execution_id", "sequence"),
)
Index("uq_events_key", events.c.execution_id, events.c.key, unique=True)
Index(
    "uq_events_settled",
    events.c.execution_id,
    events.c.node_id,
    unique=True,
    postgresql_where=events.c.type.in_(["node_completed", "node_failed", "node_skipped", "node_cancelled"]),
)
Index(
    "ix_events_started",
    events.c.execution_id,
    events.c.node_id,
    postgresql_where=events.c.type == "node_started",
)
Index("ix_events_waiting", events.c.execution_id, postgresql_where=events.c.type == "node_waiting")

node_results = Table(
    "node_results",
    metadata,
    Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
    Column("node_id", AnyText, nullable=False),
    Column("owner_id", AnyText, nullable=False),
    Column("attempt", Integer, nullable=False),
    # `node_completed`, or `node_failed` for an error that was absorbed and became the output.
    Column("type", String(32), nullable=False),
    Column("output", JSON, nullable=False),
    PrimaryKeyConstraint("execution_id", "node_id"),
)

model_calls = Table(
    "model_calls",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
    Column("owner_id", AnyText, nullable=False),
    Column("node_id", AnyText, nullable=False),
    Column("attempt", Integer, nullable=False),
    # Counts the calls of the attempt from 1.
    Column("number", Integer, nullable=False),
    Column("model", AnyText, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    # Both null while the call is made, and for ever when its worker was killed.
    Column("finished_at", DateTime(timezone=True)),
    Column("outcome", String(16)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Numeric(asdecimal=False)),
    Column("estimated", Boolean, nullable=False),
)
Index("ix_model_calls_node", model_calls.c.execution_id, model_calls.c.node_id)

delta_chunks = Table(
    "delta_chunks",
    metadata,
    # No foreign key: its check would lock the execution's row for every piece of text.
    Column("execution_id", Uuid(as_uuid=False), nullable=False),
    Column("node_id", AnyText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("owner_id", AnyText, nullable=False),
    Column("text", AnyText, nullable=False),
    PrimaryKeyConstraint("execution_id", "node_id", "attempt", "offset"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner_id", AnyText, nullable=False),
    Column("route", AnyText, nullable=False),
    # A hash: a key may be longer than an index takes.
    Column("key_hash", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("execution_id", Uuid(as_uuid=False), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    PrimaryKeyConstraint("owner_id", "route", "key_hash"),
    # Deferred: the key is claimed before the run is written.
    ForeignKeyConstraint(
        ["execution_id"], ["executions.id"], ondelete="CASCADE", deferrable=True, initially="DEFERRED"
    ),
)
Index("ix_idempotency_keys_execution_id", idempotency_keys.c.execution_id)
Index("ix_idempotency_keys_created_at", idempotency_keys.c.created_at)
