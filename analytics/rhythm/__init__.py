"""Heart rhythm from beat intervals: screening for atrial fibrillation, the same code live and on recordings."""
