"""Imports every command module, so that each registers its commands."""

from gateway.cli import decode, demo, registry, run, setup

__all__ = ["decode", "demo", "registry", "run", "setup"]
