"""docs/assist-service.md is true: its Python and its shell commands are run, its lists are the code's."""

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from alert_site import S, Site
from pydantic import SecretStr

from gateway.alerts.callback import CallbackHandler, CallbackVerifier
from gateway.alerts.lifecycle import Outcome, State
from gateway.channels.signing import Signer
from simulators.assist_service import MODES

TEXT = (Path(__file__).resolve().parents[3] / "docs/assist-service.md").read_text(encoding="utf-8")
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return next(text for text in blocks if containing in text)


def test_the_python_of_the_page_verifies() -> None:
    names: dict[str, Any] = {}
    exec(block("python", "def verify"), names)  # noqa: S102 - our own page
    verify, now, body = names["verify"], 1_735_787_045, '{"by": "王芳"}'.encode()
    headers = Signer([SecretStr("whsec_" + "A" * 44), SecretStr(SECRET)]).headers("m", body, now * S)
    assert verify(SECRET, headers, body, now)
    assert not verify(SECRET, headers, body + b" ", now)
    assert not verify(SECRET, headers, body, now + 301)


def test_the_shell_of_the_page_signs(site: Site, tmp_path: Path) -> None:
    """curl is replaced by a command that writes down its arguments; everything else runs as printed."""
    if shutil.which("openssl") is None:
        (pytest.fail if os.environ.get("YINLING_REQUIRE_ALL") == "1" else pytest.skip)("openssl is not installed")
    alert = site.take().alert
    (tmp_path / "callback.secret").write_text(SECRET + "\n")
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor a in "$@"; do printf "%s\\0" "$a"; done > arguments\n')
    curl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ALERT": alert.id, "URL": "http://box"}
    script = block("sh", "openssl dgst")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True)
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8").split("\0")
    headers = dict(value.split(": ", 1) for flag, value in itertools.pairwise(arguments) if flag == "-H")
    body = arguments[arguments.index("--data-binary") + 1].encode()
    handler = CallbackHandler(site.service, CallbackVerifier([SecretStr(SECRET)]))
    result = handler.handle(headers, body, int(headers["webhook-timestamp"]) * S)
    assert result.body == {"applied": True, "status": "applied", "reason": ""}
    assert site.service.get(alert.id).state is State.ACKNOWLEDGED


def test_the_lists_are_complete() -> None:
    for word in (*MODES, *Outcome, "alert.raised", "alert.updated", "alert.cancelled", "alert.resolved"):
        assert f"`{word}`" in TEXT
