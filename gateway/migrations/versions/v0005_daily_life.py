"""Daily life: night reports, messages that are no alerts, care tasks and their runs, what was learned of residents."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _resident(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["resident_id"], ["residents.id"], name=op.f(f"fk_{table}_resident_id"))


def upgrade() -> None:
    op.create_table(
        "night_reports",
        sa.Column("resident_id", sa.Text(), nullable=False),
        sa.Column("night", sa.Text(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("made_ns", sa.Integer(), nullable=False),
        _resident("night_reports"),
        sa.PrimaryKeyConstraint("resident_id", "night", name=op.f("pk_night_reports")),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("resident_id", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.Integer(), nullable=False),
        sa.Column("next_at_ns", sa.Integer(), nullable=False),
        sa.Column("until_ns", sa.Integer(), nullable=False),
        sa.Column("ended_ns", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        _resident("notes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sa.UniqueConstraint("key", name=op.f("uq_notes_key")),
    )
    op.create_index("ix_notes_due", "notes", ["state", "next_at_ns"], unique=False)
    op.create_table(
        "care_plans",
        sa.Column("resident_id", sa.Text(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("updated_ns", sa.Integer(), nullable=False),
        _resident("care_plans"),
        sa.PrimaryKeyConstraint("resident_id", name=op.f("pk_care_plans")),
    )
    op.create_table(
        "care_runs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("resident_id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opens_ns", sa.Integer(), nullable=False),
        sa.Column("due_ns", sa.Integer(), nullable=False),
        sa.Column("missed_ns", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("done_ns", sa.Integer(), nullable=True),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        _resident("care_runs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_runs")),
        sa.UniqueConstraint("resident_id", "task", "due_ns", name=op.f("uq_care_runs_resident_id_task_due_ns")),
    )
    op.create_index("ix_care_runs_state", "care_runs", ["state"], unique=False)
    op.create_index("ix_care_runs_due_ns", "care_runs", ["due_ns"], unique=False)
    op.create_table(
        "learned",
        sa.Column("resident_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("saved_ns", sa.Integer(), nullable=False),
        _resident("learned"),
        sa.PrimaryKeyConstraint("resident_id", "part", name=op.f("pk_learned")),
    )
