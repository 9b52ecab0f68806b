"""Speech with known articulation: text, timed voices, and the mouth that belongs to them."""
