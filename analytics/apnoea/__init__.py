"""Pauses of breathing in sleep, from a breathing wave and from oxygen saturation, and how many there are an hour."""
