"""Imports every command module, so that each registers its commands."""

from gateway.cli import decode, registry, run, setup

__all__ = ["decode", "registry", "run", "setup"]
