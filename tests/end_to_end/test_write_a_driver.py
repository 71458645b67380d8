"""`docs/write-a-driver.md` is followed to the letter: its files are written, installed and run, its commands given.

Only the ports are others, and the package is installed into a folder of its own, so that nothing stays behind.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import itertools
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typer.testing import CliRunner

from device_drivers import registry
from device_drivers.codec import Driver, MessageCodec, StreamCodec
from gateway.cli import app, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

assert commands.__all__
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "write-a-driver.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
BLOCKS = re.findall(r"^```(sh|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
MAPPING = re.findall(r"^```toml\n(\[\[drivers\..*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
DECODED = [
    ([line for line in given.splitlines() if line.startswith("yinling decode ")], shown.splitlines())
    for (kind, given), (after, shown) in itertools.pairwise(BLOCKS)
    if (kind, after) == ("sh", "text")
]
PATIENCE_S = 180.0


@dataclass
class Walk:
    """The newcomer's folder. ports: those of the page and the free ones that stand for them here."""

    folder: Path
    installed: Path
    environment: dict[str, str]
    ports: dict[str, str]

    def here(self, text: str) -> str:
        """A text of the page with our ports."""
        return re.sub("|".join(self.ports), lambda found: self.ports[found[0]], text)

    def give(self, command: str) -> Result:
        """Give a `yinling` command in this process, which saves seconds; `> file` as in the shell."""
        given, _, file = self.here(command).partition(" > ")
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(app, shlex.split(given, comments=True)[1:])
            if file:
                Path(file).write_text(done.stdout, encoding="utf-8")
        return done

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Give a command as a newcomer does, in the shell."""
        return subprocess.run(
            ["bash", "-c", self.here(command)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start what runs in a terminal of its own."""
        with (self.folder / f"{Path(command).name.replace(' ', '-')}.log").open("ab") as log:
            return subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ask(self, command: str) -> Any:
        """What the page's curl command gives."""
        found = re.fullmatch(r'curl -sH "X-API-Key: \$\(cat key\.txt\)" "?(http[^"]+)"?', command)
        assert found, command
        key = (self.folder / "key.txt").read_text(encoding="utf-8").strip()
        answer = httpx.get(self.here(found[1]), headers={"X-API-Key": key}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder, installed = tmp_path_factory.mktemp("walk"), tmp_path_factory.mktemp("installed")
    ports = dict(zip(("8080", "1883"), quiet_ports(), strict=False))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    known = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH", ""))))
    found = Walk(folder, installed, {**os.environ, "PATH": path, "PYTHONPATH": known}, ports)
    for name, text in FILES.items():
        (folder / name).write_text(found.here(text), encoding="utf-8")
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(installed), str(folder)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert {one.name for one in installed.glob("*.py")} == {"lantern_l1.py"}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed))
        registry._load.cache_clear()
        yield found
    registry._load.cache_clear()
    sys.modules.pop("lantern_l1", None)


def quiet_ports() -> Iterator[str]:
    """Free ports that the system gives to nobody by itself: they are used a minute after they were looked for."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            yield str(port)


def first(word: str, of: list[str] = COMMANDS) -> str:
    """The page's command that begins so."""
    return next(line for line in of if line.startswith(word))


def until(what: Callable[[], Any], *alive: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := what():
            return found
        assert [one.args for one in alive if one.poll() is not None] == [], "ended by itself; see its log"
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def test_the_page_has_the_parts_that_are_tried_here() -> None:
    names = {"pyproject.toml", "lantern_l1.py", "test_lantern_l1.py", "simulate.py", "yinling.toml", "publish.py"}
    assert set(FILES) == names
    assert len(DECODED) == 3
    known = ("pip install", "yinling ", "pytest -q", "python simulate.py", "python publish.py", "curl -sH ")
    assert all(line.startswith(known) for line in COMMANDS)
    code = [line for line in FILES["lantern_l1.py"].splitlines() if line.strip()]
    assert len(code) <= 75


def test_everything_that_a_driver_may_give_is_in_the_table() -> None:
    listed = set(re.findall(r"`(\w+)`", "".join(line for line in PAGE.splitlines() if line.startswith("| `"))))
    abilities = {one.name for one in fields(Driver)}
    for codec in (StreamCodec, MessageCodec):
        abilities |= {name for name, _ in inspect.getmembers(codec) if not name.startswith("_")}
    abilities |= {"note", "notes", "reject", "rejections", "health"}
    assert abilities - listed == set()


def test_the_page_is_linked() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        assert "docs/write-a-driver.md" in (ROOT / name).read_text(encoding="utf-8")
    assert "write-a-driver.md" in (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")


def test_a_fresh_process_finds_the_driver_by_its_entry_point(walk: Walk) -> None:
    ask = (
        "from device_drivers.registry import broken_drivers, find_driver, is_ours;"
        "one = find_driver('lantern_l1'); print(one.title_en, one.baud, is_ours(one), broken_drivers())"
    )
    done = walk.shell(f'cd / && python -c "{ask}"')
    assert done.stdout.strip() == "Lantern L1 finger oximeter (invented) 9600 False ()", done.stderr
    (package,) = importlib.metadata.distributions(name="lantern-l1", path=[str(walk.installed)])
    assert package.requires == ["yinling-gateway"]


def test_the_driver_passes_the_battery_of_our_own_families(walk: Walk) -> None:
    (command,) = re.findall(r"`\.venv/bin/(pytest tests/device_drivers/test_every_family.py -k lantern_l1)`\.", PAGE)
    done = walk.shell(f"cd {shlex.quote(str(ROOT))} && python -m {command} --no-cov")
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_decode_gives_what_the_page_shows(walk: Walk) -> None:
    (command,), shown = DECODED[0]
    done = walk.shell(command)
    check_said([(done.returncode, done.stdout)], shown)


def test_an_absent_finger_and_a_damaged_frame_give_what_the_page_shows(walk: Walk) -> None:
    check_decoded(walk, *DECODED[1])


def check_decoded(walk: Walk, given: list[str], shown: list[str]) -> None:
    done = [walk.give(command) for command in given]
    check_said([(one.exit_code, one.stdout) for one in done], shown)


def check_said(done: list[tuple[int, str]], shown: list[str]) -> None:
    """The lines that were printed have everything that the page shows, and the exit codes tell of rejections."""
    said = [json.loads(line) for _, text in done for line in text.splitlines()]
    expected = [json.loads(line.replace(", ...}", "}")) for line in shown]
    assert [{name: one.get(name) for name in row} for one, row in zip(said, expected, strict=True)] == expected
    assert [code for code, _ in done] == [int('"rejected"' in text) for _, text in done]


def test_the_page_s_own_tests_pass(walk: Walk) -> None:
    done = walk.shell(f"python -m {first('pytest')} -p no:cacheprovider")
    assert "4 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "fails"),
    [
        ("return Bad(", "return SIZE  # (", "test_noise_gives_no_wrong_value_and_is_recovered_from"),
        (
            "pulse if finger and pulse != NO_PULSE",
            "pulse if pulse != NO_PULSE",
            "test_without_a_finger_there_is_no_number",
        ),
        ("spo2 if finger and spo2 != NO_SPO2 else None", "spo2", "test_without_a_finger_there_is_no_number"),
        ("len(buffer) - start < SIZE", "len(buffer) - start < 2", "test_every_cut_gives_the_same"),
        ("pulse, spo2, battery, flags =", "spo2, pulse, battery, flags =", "test_what_was_sent_comes_back"),
        ("self._framer.feed(data)", "self._framer.feed(bytes(data, 'ascii'))", "test_what_was_sent_comes_back"),
    ],
)
def test_the_page_s_own_tests_find_the_usual_mistakes(
    right: str, wrong: str, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert right in FILES["lantern_l1.py"]
    assert failing(FILES["lantern_l1.py"], monkeypatch) == []
    assert fails in failing(FILES["lantern_l1.py"].replace(right, wrong), monkeypatch)


def failing(source: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's tests that fail for this driver."""
    driver, tests = ModuleType("lantern_l1"), ModuleType("test_lantern_l1")
    exec(source, driver.__dict__)  # noqa: S102 - our own page
    monkeypatch.setitem(sys.modules, "lantern_l1", driver)
    exec(FILES["test_lantern_l1.py"], tests.__dict__)  # noqa: S102 - our own page
    failed = []
    for name, test in inspect.getmembers(tests, inspect.isfunction):
        if name.startswith("test_"):
            try:
                test()
            except Exception:  # noqa: BLE001 - any failure is one
                failed.append(name)
    return failed


@pytest.fixture
def terminals(walk: Walk) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(command: str) -> subprocess.Popen[bytes]:
        running.append(walk.start(command))
        return running[-1]

    yield start
    for process in running:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # by whoever runs the tests behind another job
    if process.poll() is None:
        process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_readings_are_seen_in_the_gateway_s_history(
    walk: Walk, terminals: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """Sections 6 and 8 together, with one start of the gateway."""
    for command in ("yinling init", "yinling keys", "yinling residents", "yinling devices add oximeter-1"):
        done = walk.give(first(command))
        assert done.exit_code == 0, done.output
    with (walk.folder / "yinling.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n{MAPPING}")
    check_decoded(walk, *DECODED[2])
    added = walk.give(first("yinling devices add mat-1"))
    assert added.exit_code == 0, added.output
    running = [terminals(first("python simulate.py")), terminals(first("yinling run"))]
    ready(walk, running[1])
    doctor = walk.give(first("yinling doctor"))
    assert doctor.exit_code == 0, doctor.output
    tried = walk.give(first("yinling devices test"))
    assert tried.exit_code == 0, tried.output
    history = first("curl")
    found = until(lambda: (said := walk.ask(history))["mean"] and said, *running)
    assert (found["signal"], found["mean"], found["unit"]) == ("spo2", [97.0], "%")
    published = walk.shell(first("python publish.py").replace("PASSWORD", shlex.quote(added.stdout.split()[-1])))
    assert published.returncode == 0, published.stderr
    mat = until(lambda: of_the_mat(walk), *running)
    assert mat == {"heart_rate": 64.0, "room_temperature": 22.0, "bed_occupancy": "in"}


def of_the_mat(walk: Walk) -> dict[str, Any] | None:
    """What the mat's message has become, None until all of it is kept."""
    rows = [row for row in walk.ask(COMMANDS[-1])["latest"] if row["device_id"] == "mat-1"]
    return {row["signal"]: row["value"] for row in rows} if len(rows) == 3 else None


def ready(walk: Walk, gateway: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        try:
            return httpx.get(walk.here("http://127.0.0.1:8080/health/ready"), timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    until(answers, gateway)
