"""Command line of the stand-in 助急 service (`python -m simulators.assist_service`)."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from simulators.assist_script import Manner
from simulators.assist_service import AssistConfig, running

if TYPE_CHECKING:
    from collections.abc import Sequence


def config_of(arguments: Sequence[str]) -> AssistConfig:
    """The configuration that the arguments ask for. Exits with a message when they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m simulators.assist_service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret-file", type=Path, required=True, help="whsec_... that alerts are signed with")
    parser.add_argument("--callback-secret-file", type=Path, help="whsec_... that call-backs are signed with")
    parser.add_argument("--callback-url")
    parser.add_argument("--acknowledge", choices=("always", "never", "after_repeats"), default="always")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--stop-after", choices=("acknowledged", "en_route", "on_scene", "resolved"), default="resolved"
    )
    parser.add_argument("--on-scene-s", type=float, default=480.0, help="median time to arrive")
    parser.add_argument("--resolved-s", type=float, default=600.0, help="median time on the scene")
    parser.add_argument(
        "--false-alarms", type=float, default=0.0, help="share of alerts that turn out to be none, 0 to 1"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than real time people work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", type=Path, help="file of JSON lines")
    given = parser.parse_args(arguments)
    manner = Manner(
        given.acknowledge,
        given.repeats,
        on_scene_s=(given.on_scene_s, 1.5),
        resolved_s=(given.resolved_s, 1.5),
        false_alarms=given.false_alarms,
        stop_after=given.stop_after,
        seed=given.seed,
    )
    return AssistConfig(
        secret=_secret(given.secret_file),
        callback_secret=_secret(given.callback_secret_file) if given.callback_secret_file else None,
        callback_url=given.callback_url,
        host=given.host,
        port=given.port,
        manner=manner,
        speed=given.speed,
        journal=given.journal,
    )


async def serve(config: AssistConfig) -> None:
    """Run until SIGINT or SIGTERM; the first line printed is the address."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config) as service:
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Entry point."""
    asyncio.run(serve(config_of(sys.argv[1:])))


def _secret(path: Path) -> SecretStr:
    return SecretStr(path.read_text(encoding="ascii").strip())
