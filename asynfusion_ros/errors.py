"""The errors of the package: each says what was wrong, what is allowed and what to do."""


class AsynFusionError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(AsynFusionError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class CheckpointError(AsynFusionError):
    """A model directory is missing, corrupt, or does not match its own description."""


class AudioError(AsynFusionError):
    """Audio cannot be opened, decoded or converted."""


class MotionFileError(AsynFusionError):
    """A motion, skeleton or robot file is missing, malformed, or names unknown joints."""


class DataError(AsynFusionError):
    """A data set folder or a prepared training file is missing or malformed."""


class SamplerError(AsynFusionError):
    """A sampler executor failed or did not answer in time."""


class StateError(AsynFusionError):
    """A call came in a state that does not allow it."""
