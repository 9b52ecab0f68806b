"""Which frames and which audio samples belong to window n: pure arithmetic.

Frame k of a stream belongs to audio second k / 30. Window n covers the 60 frames that end at frame
(n + 1) * hop; all but its last `hop` frames are known from the windows before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.errors import ConfigError

SAMPLE_RATE_HZ = 16000
FPS_HZ = 30
WINDOW_FRAMES = 60
LOOK_AHEAD_SAMPLES = 1600
FRAMES_PER_STEP = 3  # the smallest number of frames that spans whole samples
SAMPLES_PER_STEP = FRAMES_PER_STEP * SAMPLE_RATE_HZ // FPS_HZ


@dataclass(frozen=True)
class WindowPlan:
    """The grid of windows of one stream.

    Attributes:
        hop_frames: new frames per window, a multiple of 3.
        window_frames: frames per window, a multiple of 3.
        look_ahead_samples: audio heard beyond the window's last frame.
    """

    hop_frames: int = 12
    window_frames: int = WINDOW_FRAMES
    look_ahead_samples: int = LOOK_AHEAD_SAMPLES

    def __post_init__(self) -> None:
        """Raise ConfigError unless windows start on whole samples and overlap or touch."""
        for name in ("hop_frames", "window_frames"):
            value = getattr(self, name)
            if value <= 0 or value % FRAMES_PER_STEP:
                raise ConfigError(
                    f"{name} is {value}; choose a positive multiple of {FRAMES_PER_STEP}"
                )
        if self.hop_frames > self.window_frames:
            raise ConfigError(
                f"hop_frames is {self.hop_frames}; it cannot exceed the window of "
                f"{self.window_frames} frames"
            )

    @property
    def known_frames(self) -> int:
        """Frames at the start of each window that earlier windows have settled."""
        return self.window_frames - self.hop_frames

    @property
    def hop_s(self) -> float:
        """Duration of the new frames of one window [s]."""
        return self.hop_frames / FPS_HZ

    @property
    def look_ahead_s(self) -> float:
        """Audio heard beyond a frame before it can be given out [s]."""
        return self.look_ahead_samples / SAMPLE_RATE_HZ

    @property
    def sample_count(self) -> int:
        """Audio samples that one window hears, look-ahead included."""
        return samples_at(self.window_frames) + self.look_ahead_samples

    def first_frame(self, index: int) -> int:
        """Return the first frame of window `index`; negative before the stream's start."""
        return (index + 1) * self.hop_frames - self.window_frames

    def new_frames(self, index: int) -> range:
        """Return the frames that window `index` gives out."""
        return range(index * self.hop_frames, (index + 1) * self.hop_frames)

    def first_sample(self, index: int) -> int:
        """Return the first sample that window `index` hears; negative before the start."""
        return samples_at(self.first_frame(index))

    def end_sample(self, index: int) -> int:
        """Return one past the last sample that window `index` hears."""
        return self.first_sample(index) + self.sample_count

    def window_of_frame(self, frame: int) -> int:
        """Return the window that gives out `frame` (>= 0)."""
        return frame // self.hop_frames


def samples_at(frame: int) -> int:
    """Return the sample at which `frame`, a multiple of 3, begins."""
    return frame // FRAMES_PER_STEP * SAMPLES_PER_STEP
