"""The size and shape of the dual-branch network."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.settings import Settings, setting

INTERACTIONS = ("none", "e2g", "g2e", "concat", "gated", "cosync")


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Everything that fixes the parameters of a DualBranchDiT; raises ConfigError if impossible."""

    face_dim: int = setting(
        51, doc="Channels of the expression branch (ARKit weights)", minimum=1, maximum=1024
    )
    body_dim: int = setting(
        24, doc="Channels of the gesture branch (rotation vectors)", minimum=1, maximum=1024
    )
    audio_dim: int = setting(468, doc="Channels of the speech features", minimum=1, maximum=8192)
    width: int = setting(128, doc="Features per frame inside a branch", minimum=2, maximum=4096)
    depth: int = setting(4, doc="Transformer blocks per branch", minimum=1, maximum=64)
    heads: int = setting(4, doc="Attention heads", minimum=1, maximum=256)
    mlp_ratio: float = setting(
        2.0, doc="Hidden width of each MLP over `width`", minimum=0.1, maximum=16.0
    )
    window_frames: int = setting(60, doc="Longest window", unit="frames", minimum=1, maximum=4096)
    speakers: int = setting(
        64, doc="Speaker identities; identity 0 means unknown", minimum=1, maximum=100_000
    )
    styles: int = setting(0, doc="Style values that a window may be given", minimum=0, maximum=256)
    emotions: int = setting(1, doc="Emotions; emotion 0 means unknown", minimum=1, maximum=256)
    interaction: str = setting(
        "cosync",
        doc="What each branch reads of the other after every block: nothing (none), gesture reads "
        "expression only (e2g), expression reads gesture only (g2e), both by concatenation, "
        "by a learned gate (eq. 19), or by cross-attention (cosync, eq. 9-10)",
        choices=INTERACTIONS,
    )
    dropout: float = setting(
        0.0, doc="Dropout inside MLPs, training only", minimum=0.0, maximum=0.9
    )

    def __post_init__(self) -> None:
        """Check ranges, and that heads divide the width evenly."""
        super().__post_init__()
        if self.width % self.heads or self.width % 2:
            raise ConfigError(
                f"NetworkSettings.width is {self.width}; it must be even and a multiple of "
                f"heads ({self.heads})"
            )
