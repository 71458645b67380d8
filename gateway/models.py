"""The tables of the gateway's own database, as typed SQLAlchemy models.

Times are UTC nanoseconds as `int`. The audit table is append-only and chained: triggers of the first migration
refuse to change or delete its rows, and to add one that does not follow the last.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]
JsonList = list[Any]


class Base(DeclarativeBase):
    """Common base: 64-bit integers, text without length, JSON for plain structures, and named constraints."""

    type_annotation_map = {int: Integer, str: Text, Json: JSON, JsonList: JSON}  # noqa: RUF012 - SQLAlchemy's way
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ResidentRow(Base):
    """A person cared for. Only what an alert needs is kept here."""

    __tablename__ = "residents"
    id: Mapped[str] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    birth_year: Mapped[int | None]
    gender: Mapped[str | None]
    room: Mapped[str]
    language: Mapped[str]
    notes: Mapped[str]
    active: Mapped[bool]
    created_ns: Mapped[int]
    updated_ns: Mapped[int]


class DeviceRow(Base):
    """A physical device; `id` is the `device_id` of its observations."""

    __tablename__ = "devices"
    id: Mapped[str] = mapped_column(primary_key=True)
    family: Mapped[str]
    name: Mapped[str]
    placement: Mapped[str]
    room: Mapped[str]
    options: Mapped[Json]
    credentials_hash: Mapped[str | None]
    active: Mapped[bool]
    created_ns: Mapped[int]
    updated_ns: Mapped[int]


class AssignmentRow(Base):
    """Whose observations a device gives, from when until when. A device has at most one open assignment."""

    __tablename__ = "assignments"
    __table_args__ = (
        Index("uq_assignments_open", "device_id", unique=True, sqlite_where=text("to_ns IS NULL")),
        Index("ix_assignments_resident_id", "resident_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"))
    from_ns: Mapped[int]
    to_ns: Mapped[int | None]


class ContactRow(Base):
    """Whom to tell: of one resident, or of the whole site when `resident_id` is absent."""

    __tablename__ = "contacts"
    __table_args__ = (Index("ix_contacts_resident_id", "resident_id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    resident_id: Mapped[str | None] = mapped_column(ForeignKey("residents.id"))
    name: Mapped[str]
    role: Mapped[str]
    channel: Mapped[str]
    address: Mapped[str]
    order: Mapped[int] = mapped_column("ordering")
    active: Mapped[bool]
    created_ns: Mapped[int]
    updated_ns: Mapped[int]


class AlertRow(Base):
    """One alert with its present state; its history is in `alert_events`."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_subject_kind", "subject", "kind", "created_ns"),
        Index("ix_alerts_state", "state"),
        Index("ix_alerts_kind", "kind", "created_ns"),
        Index("ix_alerts_created_ns", "created_ns"),
        Index("ix_alerts_resident_id", "resident_id", "created_ns"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    kind: Mapped[str]
    resident_id: Mapped[str | None]
    priority: Mapped[int]
    latching: Mapped[bool]
    test: Mapped[bool]
    state: Mapped[str]
    phase: Mapped[str]
    confidence: Mapped[float]
    devices: Mapped[JsonList]
    evidence: Mapped[Json]
    count: Mapped[int]
    revision: Mapped[int]
    at_ns: Mapped[int]
    last_at_ns: Mapped[int]
    created_ns: Mapped[int]
    window_until_ns: Mapped[int | None]
    repeats: Mapped[int]
    repeat_at_ns: Mapped[int | None]
    raised_ns: Mapped[int | None]
    delivered_ns: Mapped[int | None]
    acknowledged_ns: Mapped[int | None]
    acknowledged_by: Mapped[str | None]
    en_route_ns: Mapped[int | None]
    on_scene_ns: Mapped[int | None]
    closed_ns: Mapped[int | None]
    closed_by: Mapped[str | None]
    outcome: Mapped[str | None]
    note: Mapped[str | None]
    answered_by: Mapped[str | None]
    policy: Mapped[str]
    plan: Mapped[Json]
    step: Mapped[int]
    tellings: Mapped[int]
    turn: Mapped[JsonList]
    telling: Mapped[int]
    step_at_ns: Mapped[int | None]
    scheduled_ns: Mapped[int]
    answer_step: Mapped[int]
    reopen_at_ns: Mapped[int | None]
    reopened_ns: Mapped[int | None]
    reopened: Mapped[int]
    card120: Mapped[bool]
    asked_ns: Mapped[int | None]
    prompt: Mapped[str | None]
    held: Mapped[str | None]


class EpisodeRow(Base):
    """Which alert an episode of analytics belongs to, for ever: a finding seen again finds its alert here."""

    __tablename__ = "alert_episodes"
    __table_args__ = (Index("ix_alert_episodes_alert_id", "alert_id"),)
    subject: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    episode: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"))
    phase: Mapped[str]
    at_ns: Mapped[int]


class AlertEventRow(Base):
    """One entry of an alert's history. `revision` counts from 1 within the alert."""

    __tablename__ = "alert_events"
    __table_args__ = (UniqueConstraint("alert_id", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"))
    revision: Mapped[int]
    at_ns: Mapped[int]
    type: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    who: Mapped[str]
    note: Mapped[str | None]
    detail: Mapped[Json]


class OutboxRow(Base):
    """One message to one contact through one channel, until the far side has accepted it."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("idempotency_key"),
        Index("ix_outbox_due", "state", "priority", "next_at_ns"),
        Index("ix_outbox_target", "alert_id", "channel", "contact", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id"))
    event: Mapped[str]
    number: Mapped[int]
    channel: Mapped[str]
    contact: Mapped[str]
    address: Mapped[str]
    priority: Mapped[int]
    step: Mapped[int]
    payload: Mapped[Json]
    state: Mapped[str]
    attempts: Mapped[int]
    scheduled_ns: Mapped[int]
    next_at_ns: Mapped[int]
    lease_until_ns: Mapped[int | None]
    lease_token: Mapped[str | None]
    last_error: Mapped[str | None]
    idempotency_key: Mapped[str]
    remote_id: Mapped[str | None]
    created_ns: Mapped[int]
    delivered_ns: Mapped[int | None]


class HoldRow(Base):
    """A pause of one kind for one resident, or maintenance of a device or the whole site."""

    __tablename__ = "holds"
    __table_args__ = (Index("ix_holds_until_ns", "until_ns"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    what: Mapped[str]
    resident_id: Mapped[str | None]
    kind: Mapped[str | None]
    device_id: Mapped[str | None]
    reason: Mapped[str]
    by: Mapped[str]
    from_ns: Mapped[int]
    until_ns: Mapped[int]
    ended_ns: Mapped[int | None]
    ended_by: Mapped[str | None]


class EscalationRow(Base):
    """One version of the escalation plan that was stored through the API; an absent plan means the file's again."""

    __tablename__ = "escalation"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at_ns: Mapped[int]
    by: Mapped[str]
    plan: Mapped[str | None]


class CallbackRow(Base):
    """A signed call-back that was applied: its identity and its answer, so that a repeat changes nothing."""

    __tablename__ = "callbacks"
    __table_args__ = (Index("ix_callbacks_seen_ns", "seen_ns"),)
    webhook_id: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    seen_ns: Mapped[int]
    applied: Mapped[bool]
    reason: Mapped[str]


class AuditRow(Base):
    """Who did what to what. hash = sha256(previous hash and the canonical JSON of the row)."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject"),)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at_ns: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class ApiKeyRow(Base):
    """A key of the HTTP API; only its hash is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("key_hash"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[str]
    role: Mapped[str]
    scopes: Mapped[JsonList]
    residents: Mapped[JsonList]
    active: Mapped[bool]
    created_ns: Mapped[int]
    expires_ns: Mapped[int | None]
    last_used_ns: Mapped[int | None]


class SettingRow(Base):
    """A setting or a small fact that must outlive a restart."""

    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    updated_ns: Mapped[int]


class NightReportRow(Base):
    """The report of one night of a resident. night: the local day on which it began, as 2026-11-22."""

    __tablename__ = "night_reports"
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"), primary_key=True)
    night: Mapped[str] = mapped_column(primary_key=True)
    report: Mapped[Json]
    made_ns: Mapped[int]


class NoteRow(Base):
    """A message to one contact that is no alert (a night report): sent once, tried again until taken or too old."""

    __tablename__ = "notes"
    __table_args__ = (UniqueConstraint("key"), Index("ix_notes_due", "state", "next_at_ns"))
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str]
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"))
    contact: Mapped[str]
    channel: Mapped[str]
    address: Mapped[str]
    payload: Mapped[Json]
    state: Mapped[str]
    attempts: Mapped[int]
    created_ns: Mapped[int]
    next_at_ns: Mapped[int]
    until_ns: Mapped[int]
    ended_ns: Mapped[int | None]
    last_error: Mapped[str | None]


class CarePlanRow(Base):
    """The care tasks of a resident: what is to be done when."""

    __tablename__ = "care_plans"
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"), primary_key=True)
    tasks: Mapped[JsonList]
    updated_ns: Mapped[int]


class CareRunRow(Base):
    """One time that a care task was to be done, and what became of it."""

    __tablename__ = "care_runs"
    __table_args__ = (
        UniqueConstraint("resident_id", "task", "due_ns"),
        Index("ix_care_runs_state", "state"),
        Index("ix_care_runs_due_ns", "due_ns"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"))
    task: Mapped[str]
    kind: Mapped[str]
    opens_ns: Mapped[int]
    due_ns: Mapped[int]
    missed_ns: Mapped[int]
    state: Mapped[str]
    told: Mapped[str]
    done_ns: Mapped[int | None]
    done_by: Mapped[str | None]
    note: Mapped[str | None]


class LearnedRow(Base):
    """What a part of the analysis has learned of a resident, so that a restart does not begin anew."""

    __tablename__ = "learned"
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[Json]
    saved_ns: Mapped[int]
