"""Imports every command module, so that each registers its commands."""

from gateway.cli import decode, demo, evaluate, registry, replay, run, setup

__all__ = ["decode", "demo", "evaluate", "registry", "replay", "run", "setup"]
