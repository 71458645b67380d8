"""What the channels' tests share."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and key of centre.example in one PEM file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        (pytest.fail if os.environ.get("YINLING_REQUIRE_ALL") == "1" else pytest.skip)("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "made.pem"
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=centre.example", "-addext", "subjectAltName=DNS:centre.example"]
    command = [openssl, "req", "-x509", *curve.split(), *names, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "centre.pem"
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both
