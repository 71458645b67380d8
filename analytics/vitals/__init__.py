"""Vital signs: exercise, merged minutes, signal quality, NEWS2, weight, personal baselines."""
