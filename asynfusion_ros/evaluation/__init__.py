"""How good is the motion: figures on held-out takes, each beside its controls."""
