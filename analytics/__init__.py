"""Turns observations into findings, over everybody at once. Knows nothing of I/O, wall clocks or wire formats."""
