"""Consent, the kept minute, its outcome and its evaluation, with a real database, history and detector."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from analytics.evaluation import evaluate_falls
from analytics.falls import FallDetector
from analytics.findings import Finding, Phase
from device_drivers.observations import Samples
from gateway.alerts.lifecycle import Outcome
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.audit import read_audit, verify_audit
from gateway.cli import app, commands
from gateway.consents import FALL_RECORDINGS, PURPOSES, Consents
from gateway.database import open_database
from gateway.feedback import FeedbackError, export_feedback, feedback_trials, read_export, read_folder
from gateway.registry import Device, InvalidRecordError, Registry, Resident, UnknownRecordError
from gateway.snippets import AFTER_NS, GRACE_NS, HELD_NS, MOST_BLOCKS, SnippetKeeper, minute
from gateway.store.aio import AsyncStore
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore

S = 1_000_000_000
T0 = 1_750_000_000 * S
assert commands  # registers the command line


def stream(fall_s: float | None = 40.0, seconds: int = 90, rate: int = 50, seed: int = 1) -> NDArray[np.float32]:
    """Stands; falls (half a second of falling, a blow, lying still); or hops instead."""
    t = np.arange(seconds * rate) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, (len(t), 3))
    size, lying = np.ones_like(t), np.zeros_like(t)
    if fall_s is not None:
        lying = np.clip((t - fall_s) / 0.6, 0, 1) * np.pi / 2
        size[(t >= fall_s) & (t < fall_s + 0.5)] = 0.25
        size += 4.0 * np.exp(-(((t - fall_s - 0.5) / 0.04) ** 2))
    return (np.column_stack([np.sin(lying), 0 * t, np.cos(lying)]) * size[:, None] + noise).astype(np.float32)


class Home:
    """Registry, alerts, history and keeper, with the clock in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ns = T0
        self.database = open_database(folder / "gateway.sqlite", check=False)
        self.registry = Registry(self.database)
        self.consents = Consents(self.database)
        self.store = DuckDBStore(StoreOptions(folder / "history.duckdb"), clock_ns=lambda: self.now_ns)
        self.async_store = AsyncStore(self.store)
        self.alerts = AlertService(self.database, router=ContactRouter(), payloads=PayloadBuilder("x", "http://x/cb"))
        self.keeper = SnippetKeeper(
            self.registry, self.consents, self.store, self.async_store, self._now, lambda: self.now_ns
        )
        self.alerts.listen(self.keeper.alert_changed)
        for number in (1, 2):
            self.registry.add_resident(Resident(f"r{number}", "李奶奶"), by="a", now_ns=1)
            self.registry.add_device(Device(f"w{number}", "yinling_wearable"), by="a", now_ns=1)
            self.registry.assign(f"w{number}", f"r{number}", by="a", now_ns=1)

    async def _now(self, function: Callable[..., Any]) -> Any:
        return function()

    def run(self, work: Awaitable[Any]) -> None:
        async def body() -> None:
            await work

        asyncio.run(body())

    def agree(self, resident: str = "r1") -> None:
        self.consents.give(resident, FALL_RECORDINGS, by="nurse", now_ns=self.now_ns)
        self.run(self.keeper.tick())

    def play(self, values: NDArray[np.float32], device: str = "w1", begin_ns: int = T0) -> list[str]:
        """Second by second, as the gateway does; alerts that were opened."""
        detector = FallDetector()
        detector.attach(device, f"r{device[1:]}")
        opened = []
        for second in range(len(values) // 50):
            at_ns = begin_ns + second * S
            self.now_ns = at_ns + S
            block = Samples(device, "accel", values[50 * second :][:50], 50.0, at_ns, self.now_ns, 16.0, second)
            self.keeper.take([block])
            detector.ingest([block])
            for finding in detector.step(self.now_ns):
                take = self.alerts.take(finding, self.now_ns)
                if take.taken == "opened" and take.alert is not None:
                    opened.append(take.alert.id)
            self.run(self.keeper.tick())
        return opened

    def close(self) -> None:
        self.run(self.async_store.close())
        self.database.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.close()


def test_consent_is_given_withdrawn_and_audited(home: Home) -> None:
    consents = home.consents
    assert consents.standing(FALL_RECORDINGS) == {}
    consents.withdraw("r1", FALL_RECORDINGS, by="nurse", now_ns=2)
    for now_ns in (3, 4):
        consents.give("r1", FALL_RECORDINGS, by="nurse", now_ns=now_ns)
    assert consents.standing(FALL_RECORDINGS) == {"r1": True}
    consents.withdraw("r1", FALL_RECORDINGS, by="nurse", now_ns=5)
    assert consents.standing(FALL_RECORDINGS) == {"r1": False}
    consents.give("r1", FALL_RECORDINGS, by="nurse", now_ns=6)
    with home.database.read() as session:
        said = [(row.action, row.at_ns) for row in read_audit(session, subject="resident:r1")]
        assert verify_audit(session).intact
    assert said[:3] == [("consent.given", 6), ("consent.withdrawn", 5), ("consent.given", 3)]
    with pytest.raises(InvalidRecordError, match="fall_recordings"):
        consents.give("r1", "advertising", by="x", now_ns=7)
    with pytest.raises(UnknownRecordError):
        consents.give("nobody", FALL_RECORDINGS, by="x", now_ns=7)


def test_without_consent_nothing_is_held_or_kept(home: Home) -> None:
    home.run(home.keeper.tick())
    (alert,) = home.play(stream())
    assert home.keeper._blocks == {}
    home.store.flush()
    assert home.store.snippet(alert) == []


def test_the_minute_around_a_fall_is_kept_and_judged_like_the_live_stream(home: Home) -> None:
    home.agree()
    (real,) = home.play(stream())
    home.alerts.resolve(real, "护士小王", home.now_ns, outcome=Outcome.REAL_FALL)
    later = T0 + 3600 * S
    (wrong,) = home.play(stream(seed=2), begin_ns=later)
    home.alerts.resolve(wrong, "护士小王", home.now_ns, outcome=Outcome.FALSE_ALARM)
    home.store.flush()
    (snippet,) = home.store.snippet(real)
    assert (snippet.device_id, snippet.resident_id, snippet.rate_hz) == ("w1", "r1", 50.0)
    alert = home.alerts.get(real)
    assert alert is not None
    assert snippet.start_ns == alert.at_ns - 30 * S
    first = round((snippet.start_ns - T0) / S * 50)
    assert np.array_equal(snippet.values, stream()[first : first + 3000])
    assert home.keeper.counts["kept"] == 2
    home.close()
    kept = {one.outcome: one for one in read_folder(home.folder)}
    assert set(kept) == {Outcome.REAL_FALL, Outcome.FALSE_ALARM}
    result = evaluate_falls(feedback_trials(home.folder))
    assert (result["overall"]["falls"], result["overall"]["detected"]) == (1, 1)
    assert (result["overall"]["activities"], result["overall"]["false_alarms"]) == (1, 1)
    assert result["alarms_outside_marks"] == 0
    home.__init__(home.folder / "again")  # type: ignore[misc]  # the fixture closes it


def test_an_export_names_nobody_and_gives_the_same_trials(home: Home, tmp_path: Path) -> None:
    home.agree()
    for number, outcome in enumerate((Outcome.FALSE_ALARM, Outcome.OTHER)):
        (alert,) = home.play(stream(seed=number), begin_ns=T0 + number * 3600 * S)
        home.alerts.resolve(alert, "护士小王", home.now_ns, outcome=outcome)
    home.close()
    target = tmp_path / "feedback.zip"
    assert export_feedback(home.folder, target) == 1
    (there,), (back,) = read_folder(home.folder), read_export(target)
    assert np.array_equal(there.values, back.values, equal_nan=True)
    assert (there.alert, there.person, there.outcome, there.impact_s) == (
        back.alert, back.person, back.outcome, back.impact_s,
    )  # fmt: skip
    raw = target.read_bytes()
    assert b"r1" not in zipfile.ZipFile(target).namelist()[0].encode()
    assert "李奶奶".encode() not in raw
    run = CliRunner().invoke(app, ["evaluate", "falls", "--dataset", "feedback", str(target), "--json", "-"])
    assert json.loads(run.stdout)["overall"]["activities"] == 1
    home.__init__(home.folder / "again")  # type: ignore[misc]


def test_withdrawing_deletes_what_was_kept_also_after_a_restart(home: Home) -> None:
    home.agree()
    (alert,) = home.play(stream())
    home.store.flush()
    assert home.store.snippet(alert)
    home.consents.withdraw("r1", FALL_RECORDINGS, by="nurse", now_ns=home.now_ns)
    again = SnippetKeeper(home.registry, home.consents, home.store, home.async_store, home._now, lambda: home.now_ns)
    for _ in range(2):
        home.run(again.tick())
    assert again.counts["deleted"] == 1
    assert home.store.snippet(alert) == []
    home.run(home.keeper.tick())
    assert home.keeper._blocks == {}


def test_a_history_that_cannot_delete_now_is_asked_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.agree()
    home.consents.withdraw("r1", FALL_RECORDINGS, by="nurse", now_ns=home.now_ns)
    session, home.store._session = home.store._session, None
    assert session is not None
    session.close()
    path = home.store._options.path
    other = duckdb.connect(str(path.with_name("other")))
    monkeypatch.setattr(home.store, "_next_open", home.store._monotonic() + 3600)
    home.run(home.keeper.tick())
    assert home.keeper._deleted == set()
    monkeypatch.setattr(home.store, "_next_open", 0.0)
    home.run(home.keeper.tick())
    assert home.keeper._deleted == {"r1"}
    other.close()


def test_another_residents_device_and_test_alerts_are_left_alone(home: Home) -> None:
    home.agree()
    assert home.play(stream(), device="w2")
    home.alerts.take(
        Finding("t", "fall", "r1", home.now_ns, Phase.SUSPECTED, 0.9, ("w1",), {"test": True}), home.now_ns
    )
    assert home.keeper._wanted == {}
    assert set(home.keeper._blocks) == set()


def test_a_stream_that_stops_is_kept_as_far_as_it_came(home: Home) -> None:
    home.agree()
    (alert,) = home.play(stream(seconds=45))
    home.now_ns += AFTER_NS + GRACE_NS
    home.run(home.keeper.tick())
    home.store.flush()
    (snippet,) = home.store.snippet(alert)
    assert np.isfinite(snippet.values[:1700]).all()
    assert np.isnan(snippet.values[-1000:]).all()


def test_a_reassigned_device_takes_nothing_of_the_former_wearer_along(home: Home) -> None:
    home.agree("r1")
    home.agree("r2")
    home.play(stream(seconds=45))
    home.registry.assign("w1", "r2", by="a", now_ns=home.now_ns)
    home.run(home.keeper.tick())
    assert home.keeper._blocks == {}
    assert home.keeper._wanted == {}


def block(at_s: float, rows: int = 50, rate: float = 50.0) -> Samples:
    values = np.full((rows, 3), at_s, np.float32)
    return Samples("w1", "accel", values, rate, T0 + round(at_s * S), T0 + round((at_s + 1) * S), 16.0, 0)


def test_the_minute_is_laid_out_by_time() -> None:
    blocks = [block(-31.5), block(-30.5), block(0.0), block(5.0, rate=25.0), block(29.5), block(30.5)]
    found = minute(blocks, T0)
    assert found is not None
    start_ns, rate_hz, values = found
    assert (start_ns, rate_hz, values.shape) == (T0 - 30 * S, 50.0, (3000, 3))
    assert values[0, 0] == -30.5
    assert values[1500, 0] == 0.0
    assert values[2999, 0] == 29.5
    assert np.isnan(values[1750]).all()
    assert minute([block(100.0)], T0) is None
    bad = replace(block(0.0), values=np.full((50, 3), np.nan, np.float32))
    assert minute([bad], T0) is None


def test_memory_for_blocks_is_bounded(home: Home) -> None:
    home.agree()
    home.keeper.take([block(float(second)) for second in range(300)])
    assert len(home.keeper._blocks["w1"]) == HELD_NS // S + 1
    home.keeper.take([replace(block(0.0), received_ns=T0 + 400 * S) for _ in range(2 * MOST_BLOCKS)])
    assert len(home.keeper._blocks["w1"]) == MOST_BLOCKS


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"no zip"])
def test_what_is_no_feedback_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.zip"
    path.write_bytes(content)
    if content.startswith(b"PK"):
        assert read_export(path) == []
    else:
        with pytest.raises(FeedbackError, match="data folder"):
            list(feedback_trials(path))
    with pytest.raises(FeedbackError, match=r"history\.duckdb"):
        list(feedback_trials(tmp_path))


def test_a_damaged_export_is_refused(tmp_path: Path) -> None:
    for number, values in enumerate((np.zeros((4, 2)), np.zeros((4, 3)))):
        path = tmp_path / f"{number}.zip"
        head = {"person": "p", "outcome": "real_fall" if number == 0 else "nonsense", "rate_hz": 50, "impact_s": 1}
        with (tmp_path / "x.npz").open("wb") as file:
            np.savez(file, head=np.array(json.dumps(head)), values=values)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "x.npz", "feedback/x.npz")
        with pytest.raises(FeedbackError, match="export it again"):
            read_export(path)


def test_a_running_gateways_folder_is_not_read(home: Home) -> None:
    home.store.flush()
    with pytest.raises(FeedbackError, match="stop the gateway"):
        read_folder(home.folder)


def test_a_damaged_database_is_named(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    with duckdb.connect(str(folder / "history.duckdb")) as connection:
        connection.execute("create table other(x integer)")
    (folder / "gateway.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    with pytest.raises(FeedbackError, match=r"history\.duckdb"):
        read_folder(folder)
    with duckdb.connect(str(folder / "history.duckdb")) as connection:
        connection.execute(
            "create table snippets(alert_id varchar, device_id varchar, resident_id varchar, signal varchar, "
            "rate_hz double, start_ns bigint, channels integer, samples blob)"
        )
    with pytest.raises(FeedbackError, match="not a database"):
        read_folder(folder)


def test_the_command_line_writes_consents_down(tmp_path: Path) -> None:
    config = tmp_path / "yinling.toml"
    config.write_text('data_directory = "."\n')
    run = CliRunner().invoke
    assert run(app, ["residents", "add", "r1", "李奶奶", "--config", str(config)]).exit_code == 0
    given = run(app, ["residents", "consent", "r1", FALL_RECORDINGS, "--config", str(config)])
    assert all(text in given.output.replace("\n", "") for text in PURPOSES[FALL_RECORDINGS])
    assert "yes" in run(app, ["residents", "consents", "--config", str(config)]).output
    assert (
        run(app, ["residents", "consent", "r1", FALL_RECORDINGS, "--withdraw", "--config", str(config)]).exit_code == 0
    )
    assert "withdrawn" in run(app, ["residents", "consents", "--config", str(config)]).output
    assert run(app, ["residents", "consent", "r9", FALL_RECORDINGS, "--config", str(config)]).exit_code == 2
    exported = run(app, ["feedback", "export", str(tmp_path), str(tmp_path / "x.zip")])
    assert exported.exit_code == 2
