"""What continuous waves say: beats in the wave of a bed, and how fast somebody breathes."""
