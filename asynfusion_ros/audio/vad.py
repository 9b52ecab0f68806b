"""Is somebody speaking: the Silero voice activity detector, streamed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.audio.models import open_session
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.settings import Settings, setting

FloatArray = npt.NDArray[np.float32]

FRAME_SAMPLES = 512  # 32 ms
_CONTEXT_SAMPLES = 64  # of the frame before, which the model hears again
_STATE_SHAPE = (2, 1, 128)


@dataclass(frozen=True)
class VadSettings(Settings):
    """When speech begins and ends: two thresholds, so that the state does not flicker."""

    start_probability: float = setting(
        0.5, doc="Speech begins at this probability", minimum=0.0, maximum=1.0
    )
    stop_probability: float = setting(
        0.35, doc="Below this probability a frame is silence", minimum=0.0, maximum=1.0
    )
    hold_s: float = setting(
        0.3, doc="Silence this long ends speech", unit="s", minimum=0.0, maximum=5.0
    )

    def __post_init__(self) -> None:
        """Check ranges, and that the thresholds are in order."""
        super().__post_init__()
        if self.stop_probability > self.start_probability:
            raise ConfigError(
                f"stop_probability {self.stop_probability} is above start_probability "
                f"{self.start_probability}; speech would end as it begins"
            )


class VoiceActivityDetector:
    """Follows one stream of 16 kHz mono samples in frames of 32 ms; not thread-safe."""

    def __init__(self, settings: VadSettings | None = None, threads: int = 1) -> None:
        """Open the model on `threads` CPU threads."""
        self.settings = settings or VadSettings()
        self._session = open_session("silero_vad_16k.onnx", threads)
        self._rate = np.array(SAMPLE_RATE_HZ, dtype=np.int64)
        self._hold_frames = round(self.settings.hold_s * SAMPLE_RATE_HZ / FRAME_SAMPLES)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of a new one."""
        self.speaking = False
        self._silent_frames = 0
        self._state = np.zeros(_STATE_SHAPE, np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._rest = np.zeros(0, np.float32)

    def process(self, samples: FloatArray) -> FloatArray:
        """Return the speech probability (M,) of each frame completed by samples (N,).

        Afterwards `speaking` is the state at the end of the last of these frames.
        """
        line = np.concatenate([self._rest, np.asarray(samples, dtype=np.float32)])
        whole = line.size // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = line[whole:]
        frames = line[:whole].reshape(-1, FRAME_SAMPLES)
        return np.array([self._hear(frame) for frame in frames], dtype=np.float32)

    def _hear(self, frame: FloatArray) -> float:
        if not (self.speaking or frame.any() or self._context.any()):
            self._follow(0.0)  # nothing at all, as while no source is there: no need to ask
            return 0.0
        heard = np.concatenate([self._context, frame])[None]
        output, self._state = self._session.run(
            None, {"input": heard, "state": self._state, "sr": self._rate}
        )
        self._context = frame[-_CONTEXT_SAMPLES:]
        probability = float(output[0, 0])
        self._follow(probability)
        return probability

    def _follow(self, probability: float) -> None:
        if probability >= self.settings.start_probability:
            self.speaking = True
        silent = probability < self.settings.stop_probability
        self._silent_frames = self._silent_frames + 1 if silent else 0
        if self._silent_frames > self._hold_frames:
            self.speaking = False
