"""Bed and daily life: bed exits, long stays, signs of life, doors, rooms, and the night's sleep."""
