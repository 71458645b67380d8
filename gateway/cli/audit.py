"""`yinling audit verify` and `audit export`: is the trail whole, and what it says in words."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import select

from analytics.kinds import KINDS
from gateway.alerts.oncall import local
from gateway.audit import AuditEntry, verify_audit
from gateway.audit_words import sentence
from gateway.cli import BAD_ANSWER, app
from gateway.cli.registry import registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.models import AlertRow, ApiKeyRow, AuditRow, ResidentRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

audit_app = typer.Typer(help="The audit trail: who saw and did what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
FORMATS = ("text", "csv", "json")


@audit_app.command("verify")
def verify(
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Recompute the whole chain; exit 1 when a row was changed, removed or slipped in."""
    chinese = load_settings(config).site.language == "zh-CN"
    with registry_database(config) as database, database.read() as session:
        report = verify_audit(session)
    if json_output:
        tree = {"rows": report.rows, "head": report.head, "intact": report.intact, "broken_at": report.broken_at}
        typer.echo(json.dumps(tree))
    elif report.intact:
        text = (
            f"审计记录完整：{report.rows} 条，末条 {report.head}"
            if chinese
            else (f"the audit trail is whole: {report.rows} rows, the last is {report.head}")
        )
        out.print(text, highlight=False)
    else:
        text = (
            f"审计记录从第 {report.broken_at} 条起被改动"
            if chinese
            else (f"the audit trail was tampered with at row {report.broken_at}")
        )
        out.print(text, style="red", highlight=False)
    if not report.intact:
        raise typer.Exit(BAD_ANSWER)


@audit_app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; left out: standard output")] = None,
    form: Annotated[str, typer.Option("--format", help="text, csv or json (a line each)")] = "text",
    subject: Annotated[str | None, typer.Option(help='Only about this, such as "alert:..." or "resident:r1"')] = None,
    language: Annotated[str | None, typer.Option(help="zh-CN or en; left out: the site's")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """The whole trail in words, the oldest first. Reading it names people: keep the file as you keep their data."""
    if form not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}", param_hint="--format")
    settings = load_settings(config)
    column = 1 if (language or settings.site.language) == "en" else 0
    target = file.open("w", encoding="utf-8", newline="") if file is not None else sys.stdout
    try:
        with registry_database(config) as database, database.read() as session:
            names = _names(session, column)
            writer = csv.writer(target)
            for entry in _entries(session, subject):
                words = sentence(entry, names)[column]
                clock = local(entry.at_ns, settings.site.zone).strftime("%Y-%m-%d %H:%M:%S")
                if form == "csv":
                    writer.writerow((entry.seq, clock, entry.actor, entry.action, entry.subject, words))
                elif form == "json":
                    tree = {"seq": entry.seq, "time": clock, "at_ns": entry.at_ns, "actor": entry.actor}
                    tree |= {"action": entry.action, "subject": entry.subject, "detail": dict(entry.detail)}
                    target.write(json.dumps(tree | {"words": words, "hash": entry.hash}, ensure_ascii=False) + "\n")
                else:
                    target.write(f"{entry.seq}\t{clock}\t{words}\n")
    finally:
        if file is not None:
            target.close()


def _entries(session: Session, subject: str | None) -> Iterator[AuditEntry]:
    query = select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=500)
    for row in session.scalars(query if subject is None else query.where(AuditRow.subject == subject)):
        yield AuditEntry(row.seq, row.at_ns, row.actor, row.action, row.subject, json.loads(row.detail), row.hash)


def _names(session: Session, column: int) -> dict[str, str]:
    """Names of those who stand in the trail only by their identity, as far as they are still there."""
    residents = {row.id: row.display_name for row in session.scalars(select(ResidentRow))}
    names = {f"resident:{one}": f"{name} ({one})" for one, name in residents.items()}
    names |= {f"key:{row.id}": row.name for row in session.scalars(select(ApiKeyRow))}
    query = select(AlertRow.id, AlertRow.kind, AlertRow.resident_id, AlertRow.subject)
    for alert_id, kind, resident, about in session.execute(query):
        title = (KINDS[kind].zh, KINDS[kind].en)[column] if kind in KINDS else kind
        names[f"alert:{alert_id}"] = f"{title} {residents.get(resident or '', about)} ({alert_id[:8]})"
    return names
