"""Turns the bytes of real devices into observations. Knows nothing of residents, alerts or storage."""
