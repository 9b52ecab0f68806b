"""The body and the face as numbers: names, rotations, limits, statistics and files."""
