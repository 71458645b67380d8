"""A body as the sensors of a bed, a wrist and a finger see it: made-up waves whose truth is known. Not real people."""
