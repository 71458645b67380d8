"""Escalation: where each alert stands in its policy, which step told whom, and the versions of the plan.

Alerts that are open when this runs go on by the built-in policy; what the first version had planned for later steps
was planned as messages, is still sent, and like every later message ends with an answer (number -1).
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False, server_default=""),
        sa.Column("plan", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("step", sa.Integer(), nullable=False, server_default="-1"),
        sa.Column("tellings", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("turn", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("telling", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("step_at_ns", sa.Integer(), nullable=True),
        sa.Column("scheduled_ns", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("answer_step", sa.Integer(), nullable=False, server_default="-1"),
        sa.Column("reopen_at_ns", sa.Integer(), nullable=True),
        sa.Column("reopened_ns", sa.Integer(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("card120", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("asked_ns", sa.Integer(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("held", sa.Text(), nullable=True),
    ):
        op.add_column("alerts", column)
    op.execute("UPDATE alerts SET answered_by = acknowledged_by")
    op.add_column("outbox", sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE outbox SET step = 1, number = -1 WHERE step_s > 0 AND number = 0")
    op.drop_column("outbox", "step_s")
    op.create_table(
        "escalation",
        sa.Column("version", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at_ns", sa.Integer(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_escalation")),
    )
