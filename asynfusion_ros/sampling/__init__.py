"""Where the network and the diffusion process meet: models on disk and samplers of windows.

A model's folder in `checkpoint`, requests and results in `window`, the order of steps in `order`,
one branch's diffusion in `branch_window`, what branches see of each other in `buffer`, and the
samplers in `sequential` and `threaded`.
"""
