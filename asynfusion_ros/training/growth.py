"""A model that learned few styles, made ready to learn all that are measured today."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from asynfusion_ros.errors import DataError
from asynfusion_ros.motion.manner import STYLE_NAMES
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.networks import DualBranchDiT
from asynfusion_ros.sampling.description import ModelDescription
from asynfusion_ros.training.batches import PreparedWindows


def add_styles(
    about: ModelDescription, network: DualBranchDiT, windows: PreparedWindows
) -> tuple[ModelDescription, DualBranchDiT]:
    """Return the model with every style of STYLE_NAMES; it moves as before until it is trained.

    Styles that it has keep their statistics and weights; those of the others come from the training
    takes of `windows`, and their weights are zero. A model without styles stays so. Raises
    DataError where its styles are not the first of today's.
    """
    have = len(about.style_names)
    if about.style is None:
        return about, network
    if about.style_names != STYLE_NAMES[:have]:
        raise DataError(
            f"the model's styles {list(about.style_names)} are not the first of "
            f"{list(STYLE_NAMES)}; train it from the start"
        )
    measured = windows.people.measure()
    style = ChannelStatistics(
        np.concatenate([about.style.mean, measured.mean[have:]]),
        np.concatenate([about.style.std, measured.std[have:]]),
    )
    sizes = network.settings.replace(styles=len(STYLE_NAMES))
    about = replace(
        about,
        network=sizes,
        style_names=STYLE_NAMES,
        style=style,
        style_correlation=windows.people.correlate(),
    )
    if have == len(STYLE_NAMES):
        return about, network
    return about, widen(network, DualBranchDiT(sizes), lacking=0.0)


def restate(
    network: DualBranchDiT, old: ChannelStatistics, new: ChannelStatistics
) -> DualBranchDiT:
    """Return a network that, told styles in units `new`, does what this one does told in `old`.

    Of more units than it has styles the first count.
    """
    have = network.settings.styles
    scale = torch.from_numpy(new.std[:have] / old.std[:have])
    shift = torch.from_numpy((new.mean[:have] - old.mean[:have]) / old.std[:have])
    restated = copy.deepcopy(network)
    with torch.no_grad():
        for name, weights in restated.named_parameters():
            if "embed_style" in name:
                values, given = weights.chunk(2, dim=1)  # (W, S) each
                given += values * shift
                values *= scale
    return restated


def widen(network: DualBranchDiT, like: DualBranchDiT, lacking: float = 1.0) -> DualBranchDiT:
    """Return the network with as many styles as `like`, its own weights first.

    The weights of the styles that it lacks are those of `like` times `lacking`. Raises DataError
    where the two differ in more than how many styles they have, or `like` has fewer.
    """
    have = network.settings.styles
    if network.settings.replace(styles=like.settings.styles) != like.settings:
        raise DataError(f"networks of {network.settings} and {like.settings}: of other sizes")
    if like.settings.styles < have:
        raise DataError(f"{like.settings.styles} styles cannot hold the {have} that are there")
    wider = copy.deepcopy(like)
    weights = copy.deepcopy(network.state_dict())
    for name, others in like.state_dict().items():
        if weights[name].shape != others.shape:  # (W, 2 S): values of styles, then which are given
            old, new = weights[name].chunk(2, dim=1), others * lacking
            for part, columns in zip(new.chunk(2, dim=1), old, strict=True):
                part[:, :have] = columns
            weights[name] = new
    wider.load_state_dict(weights)
    return wider
