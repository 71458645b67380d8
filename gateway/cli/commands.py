"""Imports every command module, so that each registers its commands."""

from gateway.cli import decode

__all__ = ["decode"]
