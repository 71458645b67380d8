"""Imports every command module, so that each registers its commands."""

from gateway.cli import bench, decode, demo, devices, evaluate, registry, replay, run, setup

__all__ = ["bench", "decode", "demo", "devices", "evaluate", "registry", "replay", "run", "setup"]
