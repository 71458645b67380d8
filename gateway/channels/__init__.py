"""Channels: each tells one contact one thing, and says whether the far side accepted it."""
