"""How a window is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.sampling.guidance import AS_THE_FACE, Guidance
from asynfusion_ros.settings import Settings, setting


@dataclass(frozen=True)
class SamplerSettings(Settings):
    """The method, each branch's steps, and how the branches run beside each other."""

    method: str = setting(
        "lcm",
        doc="Consistency sampling in few steps with the distilled network (lcm), or DDIM with "
        "the teacher (ddim)",
        choices=("lcm", "ddim"),
    )
    expression_steps: int = setting(4, doc="Steps of the face per window", minimum=1, maximum=1000)
    gesture_steps: int = setting(8, doc="Steps of the body per window", minimum=1, maximum=1000)
    coupling: str = setting(
        "asynchronous",
        doc="Each branch steps at its own pace and reads its partner's newest features "
        "(asynchronous), or both take every step together, block by block (synchronous)",
        choices=("asynchronous", "synchronous"),
    )
    execution: str = setting(
        "threaded", doc="One thread per branch, or both in turn", choices=("threaded", "sequential")
    )
    pacing: str = setting(
        "free",
        doc="Order in which branches read and publish features: as the threads happen to run "
        "(free; sequential sampling then takes turns), one step at a time along two virtual clocks "
        "(turns), or steps side by side along them (parallel). The last two are reproducible",
        choices=("free", "turns", "parallel"),
    )
    cold_start: str = setting(
        "lockstep",
        doc="What a window's first step hears of its partner: the partner's own first step, block "
        "by block (lockstep), or the partner's last features of the window before (previous)",
        choices=("lockstep", "previous"),
    )
    blend_below: float = setting(
        0.2,
        doc="Known frames are imposed above this noise level sqrt(1 - abar), blended below it",
        minimum=0.0,
        maximum=1.0,
    )
    warm_begin: float = setting(
        1.0,
        doc="Share of the diffusion that is left to a window that continues another: below 1 it "
        "starts from the last pose held, noised that far, instead of noise. For LCM",
        minimum=0.1,
        maximum=1.0,
    )
    guidance: float = setting(
        1.0,
        doc="Weight of speech and manner by classifier-free guidance, at twice the compute; 1: as "
        "learned. For DDIM; a distilled network has its guidance inside",
        minimum=0.0,
        maximum=20.0,
    )
    mouth_guidance: float = setting(
        AS_THE_FACE, doc="The same of the mouth; -1: as the face", minimum=-1.0, maximum=20.0
    )
    gesture_guidance: float = setting(
        AS_THE_FACE, doc="The same of the body; -1: as the face", minimum=-1.0, maximum=20.0
    )
    runtime: str = setting(
        "auto",
        doc="What runs the network: ONNX Runtime, on the CPU (onnx), torch, or the faster of them "
        "on the device (auto)",
        choices=("auto", "onnx", "torch"),
    )
    traced: bool = setting(
        True,
        doc="With runtime torch: run the network as traced graphs, which two threads can do side "
        "by side; the numbers are the same without",
    )
    graphs: bool = setting(
        True,
        doc="On a GPU, replay each branch's steps as CUDA graphs; off launches every kernel anew",
    )
    graph_precision: str = setting(
        "bf16", doc="Arithmetic of the network in such graphs", choices=("fp32", "bf16")
    )
    graph_noise: str = setting(
        "host",
        doc="Where such graphs have their noise from: drawn on the host as without them (host), or "
        "by the GPU (device), which many streams need. Both are fixed by stream, window and step",
        choices=("host", "device"),
    )
    timeout_s: float = setting(
        10.0,
        doc="Longest wait for the partner or for a window before the sampler fails",
        unit="s",
        minimum=0.01,
        maximum=3600.0,
    )
    threads_per_branch: int = setting(
        1,
        doc="CPU threads inside the tensor operations of a branch; more than one seldom pays, and "
        "costs much on a busy machine",
        minimum=1,
        maximum=256,
    )

    def __post_init__(self) -> None:
        """Check ranges, and that synchronous branches have equally many steps."""
        super().__post_init__()
        if self.method == "lcm" and self.guidance_weights.leads:
            raise ConfigError(
                f"SamplerSettings.guidance is {self.guidance_weights} with method 'lcm', whose "
                "guidance was fixed when it was distilled; leave it at 1, or choose method 'ddim'"
            )
        if self.method == "ddim" and self.warm_begin != 1.0:
            raise ConfigError(
                f"SamplerSettings.warm_begin is {self.warm_begin} with method 'ddim', which always "
                "starts from noise; leave it at 1, or choose method 'lcm'"
            )
        if self.coupling == "synchronous" and self.expression_steps != self.gesture_steps:
            raise ConfigError(
                f"SamplerSettings.coupling is 'synchronous' with {self.expression_steps} "
                f"expression and {self.gesture_steps} gesture steps; make them equal, or choose "
                "'asynchronous'"
            )

    @property
    def guidance_weights(self) -> Guidance:
        """The guidance of face, mouth and body."""
        return Guidance.of(self.guidance, self.mouth_guidance, self.gesture_guidance)

    def steps_of(self, branch: str) -> int:
        """Return the steps per window of `branch`, 'expression' or 'gesture'."""
        return self.expression_steps if branch == "expression" else self.gesture_steps
