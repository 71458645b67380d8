"""Lets the tests import the modules beside them, which also run on MicroPython and know no packages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
