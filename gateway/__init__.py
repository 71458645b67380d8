"""Turns findings into alerts that people answer, and keeps the record. Knows nothing of wire formats."""
