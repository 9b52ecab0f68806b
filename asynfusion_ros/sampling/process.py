"""The diffusion that both branches of a sampler share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from asynfusion_ros.diffusion import NoiseSchedule, ddim_timesteps, lcm_timesteps
from asynfusion_ros.diffusion.lcm import CONSISTENCY
from asynfusion_ros.sampling.guidance import PLAIN, Guidance
from asynfusion_ros.sampling.noise import NoiseShape


@dataclass(frozen=True)
class Process:
    """What is sampled, whatever the window.

    Attributes:
        method: lcm or ddim.
        prediction: what the network's output means.
        schedule: the noise schedule.
        lcm_origin: number of times that the LCM was distilled at.
        lcm_form: what it was distilled to do (see `LCM_FORMS`).
        blend_below: noise level sqrt(1 - abar) under which known frames are blended.
        guidance: weights of classifier-free guidance; all 1 samples without.
        warm_begin: share of the diffusion that is left to windows whose motion continues known
            frames; 1 starts them from noise as well.
        noise: what each branch's noise is, where it is not white.
    """

    method: str
    prediction: str
    schedule: NoiseSchedule
    lcm_origin: int
    blend_below: float
    guidance: Guidance = PLAIN
    warm_begin: float = 1.0
    lcm_form: str = CONSISTENCY
    noise: Mapping[str, NoiseShape | None] = field(default_factory=dict, compare=False)

    @property
    def renoises(self) -> bool:
        """Whether each step makes clean motion and noises it anew; DDIM steps go straight on."""
        return self.method == "lcm" and self.lcm_form == CONSISTENCY

    @property
    def guided(self) -> bool:
        """Whether each step also asks what the network would do without speech and manner."""
        return self.guidance.leads

    def times(self, count: int, warm: bool = False) -> tuple[int, ...]:
        """Return the falling diffusion times of `count` steps; raise ConfigError if impossible.

        A `warm` window continues known frames.
        """
        if self.method == "ddim":
            return ddim_timesteps(count, self.schedule.steps)
        begin = self.warm_begin if warm else 1.0
        return lcm_timesteps(count, self.lcm_origin, self.schedule.steps, begin)
