"""From prepared windows to a checkpoint: the teacher, then the distilled consistency models."""
