"""Imports every command module, so that each registers its commands."""

from gateway.cli import decode, registry, setup

__all__ = ["decode", "registry", "setup"]
