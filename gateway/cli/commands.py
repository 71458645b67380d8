"""Imports every command module, so that each registers its commands."""

from gateway.cli import (
    bench,
    bench_drivers,
    bench_falls,
    decode,
    demo,
    devices,
    evaluate,
    feedback,
    policy,
    registry,
    replay,
    run,
    setup,
)

__all__ = [
    "bench",
    "bench_drivers",
    "bench_falls",
    "decode",
    "demo",
    "devices",
    "evaluate",
    "feedback",
    "policy",
    "registry",
    "replay",
    "run",
    "setup",
]
