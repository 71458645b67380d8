"""The firmware under real MicroPython (WebAssembly, through Node.js), its frames decoded by the driver."""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest
import scenario
import story

from tests.conftest import missing, program

PACKAGE = "@micropython/micropython-webassembly-pyscript"
VERSION = "1.27.0"
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / f"micropython-{VERSION}"
MODULES = ("__init__", "frame", "parts", "sensors", "wearable", "links", "board", "config")

pytestmark = pytest.mark.system


@cache
def micropython() -> tuple[str, Path]:
    """Node.js and the folder of the package, fetched once; or a skip with the reason."""
    node = program("node", "nodejs")
    folder = CACHE / "node_modules" / PACKAGE
    if not (folder / "micropython.mjs").exists():
        npm = program("npm", "npm")
        command = [npm, "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", f"{PACKAGE}@{VERSION}"]
        CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            missing(f"npm cannot fetch {PACKAGE}@{VERSION}: {done.stderr.strip()[-200:]}")
    return node, folder


def run(script: Path, *extra: Path) -> str:
    node, folder = micropython()
    files = [f"firmware_stubs/{name}.py={ROOT / 'firmware_stubs' / name}.py" for name in MODULES]
    files += [f"{path.name}={path}" for path in extra]
    command = [node, str(HERE / "run_micropython.mjs"), str(folder), str(script), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_story_on_micropython() -> None:
    told = json.loads(run(HERE / "scenario.py", HERE / "chips.py"))
    story.check_sections(*told["sections"])
    story.check_mqtt(told["mqtt"])
    story.check_uart(told["uart"], told["cobs"])
    story.check_pulse(told["pulse"])


def test_micropython_and_cpython_tell_the_same_story(capsys: pytest.CaptureFixture[str]) -> None:
    scenario.main()
    assert json.loads(run(HERE / "scenario.py", HERE / "chips.py")) == json.loads(capsys.readouterr().out)


def test_every_module_compiles_on_micropython(tmp_path: Path) -> None:
    """Also those that need a board: they are compiled, not run."""
    script = tmp_path / "compile.py"
    script.write_text(
        "import sys\n"
        f"for name in {MODULES!r}:\n"
        "    path = '/firmware_stubs/' + name + '.py'\n"
        "    compile(open(path).read(), path, 'exec')\n"
        "print(sys.implementation.name, 'compiled')\n"
    )
    assert run(script).strip() == "micropython compiled"
