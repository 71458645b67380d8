"""`docs/write-a-driver.md` is followed to the letter: its files are written, installed and run, its commands given.

Only the ports are others, and the package is installed into a folder of its own, so that nothing stays behind.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import itertools
import json
import os
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

from device_drivers.codec import Driver, MessageCodec, StreamCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    environment: dict[str, str]
    ports: dict[str, str]

    def here(self, text: str) -> str:
        """A text of the page with our ports."""
        return re.sub("|".join(self.ports), lambda found: self.ports[found[0]], text)

    def give(self, command: str) -> subprocess.CompletedProcess[str]:
        """Give a command as a newcomer would, in the shell."""
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
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder, installed = tmp_path_factory.mktemp("walk"), tmp_path_factory.mktemp("installed")
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = {page: str(probe.getsockname()[1]) for page, probe in zip(("8080", "1883"), probes, strict=True)}
    for probe in probes:
        probe.close()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    known = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH", ""))))
    found = Walk(folder, {**os.environ, "PATH": path, "PYTHONPATH": known}, ports)
    for name, text in FILES.items():
        (folder / name).write_text(found.here(text), encoding="utf-8")
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(installed), str(folder)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert {one.name for one in installed.glob("*.py")} == {"lantern_l1.py"}
    return found


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
    assert len(code) <= 65


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
    done = walk.give(f'cd / && python -c "{ask}"')
    assert done.stdout.strip() == "Lantern L1 finger oximeter (invented) 9600 False ()", done.stderr
    paths = [walk.environment["PYTHONPATH"].split(os.pathsep)[0]]
    (package,) = importlib.metadata.distributions(name="lantern-l1", path=paths)
    assert package.requires == ["yinling-gateway"]


@pytest.mark.parametrize(("given", "shown"), DECODED[:2], ids=["a frame", "no finger, and damage"])
def test_decode_gives_what_the_page_shows(given: list[str], shown: list[str], walk: Walk) -> None:
    check_decoded(walk, given, shown)


def check_decoded(walk: Walk, given: list[str], shown: list[str]) -> None:
    done = [walk.give(command) for command in given]
    said = [json.loads(line) for one in done for line in one.stdout.splitlines()]
    expected = [json.loads(line.replace(", ...}", "}")) for line in shown]
    assert [{name: one.get(name) for name in row} for one, row in zip(said, expected, strict=True)] == expected
    rejected = [any("rejected" in line for line in one.stdout.splitlines()) for one in done]
    assert [one.returncode for one in done] == [int(one) for one in rejected]


def test_the_page_s_own_tests_pass(walk: Walk) -> None:
    done = walk.give(f"python -m {first('pytest')} -p no:cacheprovider")
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
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_reading_is_seen_in_the_gateway_s_history(
    walk: Walk, terminals: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    for command in ("yinling init", "yinling keys", "yinling residents", "yinling devices add oximeter-1"):
        done = walk.give(first(command))
        assert done.returncode == 0, done.stderr
    device = terminals(first("python simulate.py"))
    gateway = terminals(first("yinling run"))
    ready(walk, gateway)
    doctor = walk.give(first("yinling doctor"))
    assert doctor.returncode == 0, doctor.stdout
    tried = walk.give(first("yinling devices test"))
    assert tried.returncode == 0, tried.stdout + tried.stderr
    history = first("curl")
    found = until(lambda: (said := walk.ask(history))["mean"] and said, device, gateway)
    assert (found["signal"], found["mean"], found["unit"]) == ("spo2", [97.0], "%")
    end(gateway)
    assert gateway.returncode == 0
    check_without_code(walk, terminals)


def check_without_code(walk: Walk, terminals: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """Section 8, in the same folder."""
    with (walk.folder / "yinling.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n{MAPPING}")
    check_decoded(walk, *DECODED[2])
    added = walk.give(first("yinling devices add mat-1"))
    assert added.returncode == 0, added.stderr
    gateway = terminals(first("yinling run"))
    ready(walk, gateway)
    published = walk.give(first("python publish.py").replace("PASSWORD", shlex.quote(added.stdout.split()[-1])))
    assert published.returncode == 0, published.stderr
    latest = COMMANDS[-1]

    def of_the_mat() -> dict[str, Any] | None:
        rows = [row for row in walk.ask(latest)["latest"] if row["device_id"] == "mat-1"]
        return {row["signal"]: row["value"] for row in rows} if len(rows) == 3 else None

    assert until(of_the_mat, gateway) == {"heart_rate": 64.0, "room_temperature": 22.0, "bed_occupancy": "in"}


def ready(walk: Walk, gateway: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        try:
            return httpx.get(walk.here("http://127.0.0.1:8080/health/ready"), timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    until(answers, gateway)
