"""`yinling audit` and `yinling report`: whole or not, in words, as files."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from analytics.findings import Finding, Phase
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.audit import AuditEntry
from gateway.audit_words import sentence
from gateway.channels.base import Accepted
from gateway.cli import app, commands
from gateway.database import Database, open_database
from gateway.registry import Contact, Registry, Resident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

NOW = 1_770_091_506_000_000_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, Database]]:
    (tmp_path / "yinling.toml").write_text('data_directory = "var"\n', encoding="utf-8")
    database = open_database(tmp_path / "var" / "gateway.sqlite")
    registry = Registry(database)
    registry.add_resident(Resident("r1", "李奶奶"), by="安装", now_ns=NOW)
    registry.add_contact(Contact("nurse", None, "护士站", "nurse", "siren", "1"), by="安装", now_ns=NOW)
    service = AlertService(database, router=ContactRouter(), payloads=PayloadBuilder("站"))
    alert = service.take(Finding("e", "help_call", "r1", NOW, Phase.CONFIRMED, 1.0, ("w1",), {}), NOW).alert
    assert alert is not None
    (dispatch,) = service.outbox.claim(NOW, 5)
    service.settle(dispatch, Accepted("x"), NOW)
    service.acknowledge(alert.id, "王芳", NOW + 30 * 10**9)
    yield tmp_path, database
    database.close()


def run(folder: Path, *arguments: str) -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, [*arguments, "--config", str(folder / "yinling.toml")], env={"COLUMNS": "200"})


def test_whole(site: tuple[Path, Database]) -> None:
    result = run(site[0], "audit", "verify")
    assert result.exit_code == 0
    assert "审计记录完整" in result.stdout
    tree = json.loads(run(site[0], "audit", "verify", "--json").stdout)
    assert tree["intact"]
    assert tree["rows"] >= 6


def test_tampered_with(site: tuple[Path, Database]) -> None:
    folder, database = site
    with database.write() as session:
        session.execute(text("DROP TRIGGER audit_no_update"))
        session.execute(text("UPDATE audit SET actor = '别人' WHERE seq = 3"))
    result = run(folder, "audit", "verify")
    assert result.exit_code == 1
    assert "第 3 条" in result.stdout
    assert json.loads(run(folder, "audit", "verify", "--json").stdout)["broken_at"] == 3


def test_in_words(site: tuple[Path, Database]) -> None:
    folder, _ = site
    words = run(folder, "audit", "export").stdout
    for sentence_ in (
        "安装 新增了 resident：李奶奶 (r1)",
        "系统 把 alert.raised 送达 nurse（siren）：呼救 李奶奶",
        "王芳 接了报警",
    ):
        assert sentence_ in words
    english = run(folder, "audit", "export", "--language", "en").stdout
    assert "王芳 acknowledged the alert: Help call 李奶奶" in english
    assert "the system sent alert.raised to nurse (siren)" in english


def test_as_files(site: tuple[Path, Database]) -> None:
    folder, _ = site
    assert run(folder, "audit", "export", str(folder / "a.csv"), "--format", "csv").exit_code == 0
    assert "resident.added" in (folder / "a.csv").read_text(encoding="utf-8")
    lines = run(folder, "audit", "export", "--format", "json", "--subject", "resident:r1").stdout.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["resident.added"]
    assert run(folder, "audit", "export", "--format", "xml").exit_code == 2


def test_actions_without_a_sentence_are_still_said() -> None:
    def said(action: str, actor: str = "key:k") -> tuple[str, str]:
        return sentence(AuditEntry(1, NOW, actor, action, "site", {}, ""), {"key:k": "大屏"})

    assert said("history.read") == ("大屏 查看了 history：site", "大屏 looked at history: site")
    assert said("api.alert.cancelled")[1] == "大屏 answered through the API (cancelled): site"
    assert said("strange", "x") == ("x strange：site", "x strange: site")
    assert "?" in said("escalation.put")[1]


def test_the_monthly_report(site: tuple[Path, Database]) -> None:
    folder, _ = site
    month = time.strftime("%Y-%m", time.gmtime(NOW / 1e9))
    shown = run(folder, "report", "--month", month)
    assert shown.exit_code == 0
    for words in ("报警到应答", "统计时间", "同时 1 人在岗", "ISA-18.2"):
        assert words in shown.stdout.replace("\n", ""), words
    english = run(folder, "report", "--month", month, "--language", "en", "--carers", "2").stdout
    assert "Carers at a time: 2" in english.replace("\n", " ")
    result = run(
        folder,
        "report",
        "--month",
        month,
        "--csv",
        str(folder / "r.csv"),
        "--html",
        str(folder / "r.html"),
        "--language",
        "en",
    )
    assert result.exit_code == 0, result.output
    assert (folder / "r.csv").read_bytes().startswith(b"\xef\xbb\xbftable,code,name,")
    assert "Help call" in (folder / "r.html").read_text(encoding="utf-8")
    assert run(folder, "report", "--month", "soon").exit_code == 2
