"""The dual-branch diffusion transformer and its interactions; pure torch, no diffusion maths.

Settings in `settings`, layers in `layers`, the ways of listening in `interaction`, one branch in
`branch`, both in `dual`.
"""

from asynfusion_ros.networks.branch import Branch, BranchCondition, BranchState, Features, Known
from asynfusion_ros.networks.dual import Condition, DualBranchDiT
from asynfusion_ros.networks.manner import MannerBatch
from asynfusion_ros.networks.settings import INTERACTIONS, NetworkSettings

__all__ = [
    "INTERACTIONS",
    "Branch",
    "BranchCondition",
    "BranchState",
    "Condition",
    "DualBranchDiT",
    "Features",
    "Known",
    "MannerBatch",
    "NetworkSettings",
]
