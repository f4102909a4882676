"""OFQL (one-step flow Q-learning): DQL whose policy jumps from noise to action at once.

Paper: Nguyen & Yoo, "Revisiting Diffusion Q-Learning: From Iterative Denoising to
One-Step Action Generation" (arXiv 2508.13904). The flow's average velocity is learned
as in MeanFlow (Geng et al. 2025, arXiv 2505.13447). From the data at t = 0 to noise at
t = 1, with eps ~ N(0, I) and 0 <= r <= t <= 1:

    a_t = (1 - t) a + t eps                     path
    v   = eps - a                               velocity on it
    u   = v - (t - r) du/dt                     average velocity, MeanFlow identity
    du/dt = v . grad_{a_t} u + partial_t u      r is held
    L_imitation = mean (u_theta(a_t, r, t; s) - (v - (t - r) du_theta/dt))^2
    action = eps - u_theta(eps, 0, 1; s)

The target in L_imitation has no gradient. With r = t, a share ``flow_ratio`` of the
rows, it is flow matching.

No code is public: critics, order, normalisation of Q and the averaged policy are those
of DQL (``cores/diffusion.py``), which the paper says it keeps. Our choices: the squared
error is a mean over dimensions, as DQL's, without MeanFlow's adaptive weight; times are
embedded by one network each, multiplied by ``time_scale`` before; one action a state
when acting; learning rates that do not fall, where DQL's code can let them. A dataset
here always says what terminated, so one that does not is no input of this method.

Shapes: S seeds, B batch, A action.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.diffusion import DiffusionPolicy, one_step
from tasks.nets.forward_mode import along
from tasks.train import Batch, Draw, Spaces
from tasks.train.cores.diffusion import (
    DiffusionActorCritic,
    DiffusionParams,
    fresh_policy,
)


@dataclass(frozen=True)
class OFQLParams(DiffusionParams):
    """Parameters of OFQL; units and ranges stand in params/train/ofql.yaml."""

    flow_ratio: Annotated[Sweepable, Range(0, 1)]
    time_mean: Annotated[Sweepable, Range(-1e9, 1e9)]
    time_std: Annotated[Sweepable, Range(0, 1e9, open=True)]


class OFQL(DiffusionActorCritic[OFQLParams]):
    """The network predicts the average velocity from time t back to r."""

    def __init__(
        self, params: OFQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        if params.activation == "relu":
            warnings.warn(
                "OFQL differentiates its network in time: relu's slope jumps, mish's "
                "and silu's do not",
                stacklevel=2,
            )

    def network(self) -> DiffusionPolicy:
        """A sampler of one call, action = eps - u(eps, 0, 1; s)."""
        return fresh_policy(
            self.params, self.spaces, self.seeds, one_step(), "velocity", times=2
        )

    def draws(self) -> dict[str, Draw]:
        """The noises of the core, and two numbers a row for the times."""
        return {**super().draws(), "times": Draw(2)}

    def times(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Times r <= t, (S, B) each: logit-normal, equal in a share of the rows."""
        p = self.params
        drawn = (p.time_mean + p.time_std * batch.noise["times"][..., 0]).sigmoid()
        r, t = drawn.amin(-1), drawn.amax(-1)
        share = (batch.noise["choice"][:, :, 0, 0] + 1) / 2  # (S, B), [0, 1)
        return torch.where(share < p.flow_ratio, t, r), t

    def imitation(self, batch: Batch) -> Tensor:
        """Loss of the average velocity, by one forward-mode pass, (S,)."""
        r, t = self.times(batch)
        action, noise, time = batch.action, batch.noise["noise"], t[..., None]
        x, v = (1 - time) * action + time * noise, noise - action
        u, slope = along(self.actor, batch.observation, x, (t, r), v, (1.0, 0.0))
        return average_velocity_loss(u, slope, v, r, t)


def average_velocity_loss(
    u: Tensor, slope: Tensor, v: Tensor, r: Tensor, t: Tensor
) -> Tensor:
    """Mean (u - (v - (t - r) du/dt))^2, the bracket without gradient.

    With r = t this is flow matching.

    Args:
        u: Average velocity from t back to r that the network predicts, (S, B, A).
        slope: du/dt, where a_t moves with v and r is held, (S, B, A).
        v: Velocity on the path, noise - action, (S, B, A).
        r: (S, B), in [0, 1].
        t: (S, B), in [r, 1].

    Returns:
        Mean over rows and dimensions, (S,).

    Raises:
        RefusedError: If some r > t.
    """
    if bool((r > t).any()):
        raise RefusedError("OFQL", "r", "a time r > t", "r <= t", "order the times")
    target = v - (t - r)[..., None] * slope.detach()
    return (u - target).square().mean((1, 2))
