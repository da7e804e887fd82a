"""Everything the first version keeps: workflows, runs, their events, outputs and streaming text."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "delta_chunks",
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("offset", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "node_id", "attempt", "offset", name="pk_delta_chunks"),
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("graph", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published_version", sa.Integer()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
    )
    op.create_index(
        "ix_workflows_owner_id_newest",
        "workflows",
        ["owner_id", "created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("has_input", sa.Boolean(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("graph", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_usd", sa.Numeric(), server_default="0"),
        sa.Column("last_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rerun_of", sa.Uuid),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_executions_workflows"),
        sa.PrimaryKeyConstraint("id", name="pk_executions"),
    )
    op.create_index("ix_executions_owner_id_newest", "executions", ["owner_id", "created_at", "id"])
    op.create_index(
        "ix_executions_unfinished",
        "executions",
        ["created_at"],
        postgresql_where=sa.text("(status NOT IN ('completed', 'failed', 'cancelled'))"),
    )
    op.create_index("ix_executions_workflow_id_newest", "executions", ["workflow_id", "created_at", "id"])
    op.create_table(
        "workflow_versions",
        sa.Column("workflow_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("graph", sa.JSON(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="fk_workflow_versions_workflows", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
    )
    op.create_table(
        "events",
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("node_id", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name="fk_events_executions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("execution_id", "sequence", name="pk_events"),
    )
    op.create_index(
        "ix_events_started",
        "events",
        ["execution_id", "node_id"],
        postgresql_where=sa.text("type = 'node_started'"),
    )
    op.create_index(
        "ix_events_waiting", "events", ["execution_id"], postgresql_where=sa.text("type = 'node_waiting'")
    )
    op.create_index("uq_events_key", "events", ["execution_id", "key"], unique=True)
    op.create_index(
        "uq_events_settled",
        "events",
        ["execution_id", "node_id"],
        unique=True,
        postgresql_where=sa.text(
            "type IN ('node_completed', 'node_failed', 'node_skipped', 'node_cancelled')"
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["executions.id"],
            name="fk_idempotency_keys_executions",
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("owner_id", "route", "key_hash", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_execution_id", "idempotency_keys", ["execution_id"])
    op.create_table(
        "node_results",
        sa.Column("execution_id", sa.Uuid, nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name="fk_node_results_executions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("execution_id", "node_id", name="pk_node_results"),
    )
