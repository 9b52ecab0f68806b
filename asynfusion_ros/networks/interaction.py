"""What a branch reads of its partner after each block (paper eq. 9-10, eq. 19, tables 2 and 3).

Each way is a residual on the own features whose last linear maps start at zero: at initialisation
the branches are independent, and listening is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asynfusion_ros.networks.layers import Mlp, attend, layer_norm
from asynfusion_ros.networks.settings import NetworkSettings


class Interaction(nn.Module):
    """Base: maps own and partner features, both (B, T, W), to new own features (B, T, W)."""

    def forward(self, own: Tensor, partner: Tensor) -> Tensor:
        """Return own features that know of the partner's."""
        raise NotImplementedError

    def start_silent(self) -> None:
        """Zero the last linear maps, so that this is the identity on `own`."""
        raise NotImplementedError


class CoSync(Interaction):
    """Cross-attention: F + softmax(Q K^T / sqrt d) V, then MLP(LN(.)) + residual (eq. 9-10).

    Q comes from the own features, K and V from the partner's, each after LayerNorm, so that the
    growth of the residual stream with depth does not sharpen the softmax.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        """Build one linear map for Q, one for K and V, the output map and the MLP."""
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = Mlp(width, settings.mlp_ratio, settings.dropout)

    def forward(self, own: Tensor, partner: Tensor) -> Tensor:
        """Map own (B, T, W), partner (B, S, W) to (B, T, W)."""
        query = self.query(layer_norm(own))  # (B, T, W)
        key, value = self.key_value(layer_norm(partner)).chunk(2, dim=-1)  # 2 x (B, S, W)
        x = own + self.out(attend(query, key, value, self.heads))  # (B, T, W)
        mixed: Tensor = x + self.mlp(layer_norm(x))  # (B, T, W)
        return mixed

    def start_silent(self) -> None:
        """Zero the attention's output map and the MLP's last map."""
        _zero(self.out, self.mlp.fall)


class Concat(Interaction):
    """The paper's naive way: one linear map of [F_own; F_other], frame by frame."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Build the linear map."""
        super().__init__()
        self.out = nn.Linear(2 * settings.width, settings.width)

    def forward(self, own: Tensor, partner: Tensor) -> Tensor:
        """Map own and partner (B, T, W) to (B, T, W)."""
        both = torch.cat([layer_norm(own), layer_norm(partner)], dim=-1)  # (B, T, 2 W)
        mixed: Tensor = own + self.out(both)  # (B, T, W)
        return mixed

    def start_silent(self) -> None:
        """Zero the linear map."""
        _zero(self.out)


class Gated(Interaction):
    """F_own + sigmoid(W [F_own; F_other]) * P(F_other) (eq. 19), frame by frame."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Build the gate W and the partner's projection P."""
        super().__init__()
        self.gate = nn.Linear(2 * settings.width, settings.width)
        self.out = nn.Linear(settings.width, settings.width)

    def forward(self, own: Tensor, partner: Tensor) -> Tensor:
        """Map own and partner (B, T, W) to (B, T, W)."""
        heard = layer_norm(partner)  # (B, T, W)
        gate = self.gate(torch.cat([layer_norm(own), heard], dim=-1)).sigmoid()  # (B, T, W)
        return torch.addcmul(own, gate, self.out(heard))  # (B, T, W)

    def start_silent(self) -> None:
        """Zero the partner's projection."""
        _zero(self.out)


_KINDS: dict[str, type[CoSync] | type[Concat] | type[Gated]] = {
    "e2g": CoSync,
    "g2e": CoSync,
    "concat": Concat,
    "gated": Gated,
    "cosync": CoSync,
}
_DEAF = {("expression", "e2g"), ("gesture", "g2e"), ("expression", "none"), ("gesture", "none")}


def listens(settings: NetworkSettings, branch: str) -> bool:
    """Tell whether `branch` ('expression' or 'gesture') reads its partner at all."""
    return (branch, settings.interaction) not in _DEAF


def build_interaction(settings: NetworkSettings) -> Interaction:
    """Return one interaction of the kind that `settings` names, for a branch that listens."""
    return _KINDS[settings.interaction](settings)


def _zero(*linears: nn.Linear) -> None:
    for linear in linears:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
