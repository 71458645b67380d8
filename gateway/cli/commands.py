"""Imports every command module, so that each registers its commands."""

from gateway.cli import (
    audit,
    bench,
    bench_drivers,
    bench_falls,
    bench_kills,
    decode,
    demo,
    devices,
    evaluate,
    feedback,
    policy,
    registry,
    replay,
    report,
    run,
    setup,
)

__all__ = [
    "audit",
    "bench",
    "bench_drivers",
    "bench_falls",
    "bench_kills",
    "decode",
    "demo",
    "devices",
    "evaluate",
    "feedback",
    "policy",
    "registry",
    "replay",
    "report",
    "run",
    "setup",
]
