"""The command `generate`: a recording in, motion files and a preview out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from asynfusion_ros.cli.info import DEFAULT_MODEL
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.resources import find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.generator import MotionGenerator
from asynfusion_ros.streaming.settings import EngineSettings
