"""The diffusion process: frozen tables and pure functions, no network.

The schedule and its predictions in `schedule`, the two samplers' steps in `ddim` and `lcm`, long
ones of DDIM in `jumps`, known frames in `overlap`, frames with times of their own in `rolling`.
"""

from asynfusion_ros.diffusion.ddim import ddim_step, ddim_timesteps
from asynfusion_ros.diffusion.jumps import find_landing, plan_jumps, split_jump
from asynfusion_ros.diffusion.lcm import boundary_scalings, consistency, lcm_step, lcm_timesteps
from asynfusion_ros.diffusion.overlap import BLEND_BELOW, blend, blend_weights, impose
from asynfusion_ros.diffusion.rolling import rolling_shares
from asynfusion_ros.diffusion.schedule import PREDICTIONS, NoiseSchedule

__all__ = [
    "BLEND_BELOW",
    "PREDICTIONS",
    "NoiseSchedule",
    "blend",
    "blend_weights",
    "boundary_scalings",
    "consistency",
    "ddim_step",
    "ddim_timesteps",
    "find_landing",
    "impose",
    "lcm_step",
    "lcm_timesteps",
    "plan_jumps",
    "rolling_shares",
    "split_jump",
]
