"""How fast it is: floors of the machine, baselines and the figures between them."""
