"""Leaving the bed, from a sparse sensor on the chest that is read by antennas around the bed."""
