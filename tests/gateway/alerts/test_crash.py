"""The process is killed with SIGKILL while it takes and sends; the next one on the same file loses nothing."""

import asyncio
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.alerts import records
from gateway.alerts.lifecycle import State
from gateway.audit import verify_audit
from gateway.database import Database, open_database
from simulators.assist_service import AssistConfig, running

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CHILD = Path(__file__).with_name("crash_child.py")
DEADLINE_S = 120.0
EACH = 40


async def live(path: Path, url: str, first: int, rng: random.Random | None) -> list[str]:
    """One life of the process: killed after a random number of alerts, or (None) when all are delivered."""
    arguments = [str(CHILD), str(path), url, SECRET, str(first), str(EACH)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    promised = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(rng.randrange(1, EACH) if rng else EACH):
                line = (await process.stdout.readline()).decode().strip()
                assert line
                promised.append(line)
            if rng is not None:
                await asyncio.sleep(rng.random() * 0.05)  # somewhere within the next transaction or dispatch
            else:
                await delivered(path)
    finally:
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
    return promised + rest.decode().split()


async def delivered(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    database = open_database(path, check=False)
    while any(alert.state is State.RAISED for alert in opened(database)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    database.close()


def opened(database: Database) -> list[records.Alert]:
    with database.read() as session:
        return records.open_alerts(session)


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    async def scene() -> tuple[list[str], list[str], int]:
        rng = random.Random(11)
        async with running(AssistConfig(SecretStr(SECRET))) as service:
            promised: list[str] = []
            for round_number in range(5):
                last = round_number == 4
                promised += await live(tmp_path / "x.db", service.url, round_number * EACH, None if last else rng)
            events = service.journal.of("event")
            return promised, [record["alert_id"] for record in events], len(service.journal.of("rejected"))

    promised, received, rejected = asyncio.run(scene())
    database = open_database(tmp_path / "x.db")
    alerts = {alert.id: alert for alert in opened(database)}
    with database.read() as session:
        assert verify_audit(session).intact
    database.close()
    assert len(promised) >= EACH + 4
    assert set(promised) <= set(alerts)
    assert {alert.state for alert in alerts.values()} == {State.DELIVERED}
    assert set(alerts) == set(received)
    assert len({alert.subject for alert in alerts.values()}) == len(alerts)
    assert rejected == 0
