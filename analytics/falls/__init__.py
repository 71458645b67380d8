"""Falls from one worn accelerometer: a cheap gate over everybody, a scored model for the few, then what follows.

`FallDetector` puts the stages together; docs/fall-detection.md tells what each does and how well it works.
"""

from __future__ import annotations

from analytics.falls.detector import FallDetector

__all__ = ["FallDetector"]
