"""DQL (Diffusion-QL): an actor-critic that is trained through a diffusion sampler.

Paper: Wang, Hunt & Zhou 2023, "Diffusion Policies as an Expressive Policy Class for
Offline Reinforcement Learning" (arXiv 2208.06193). With the noise schedule abar, the
share of the action's variance that is left at time k:

    x_k = sqrt(abar_k) a + sqrt(1 - abar_k) eps      k uniform in 0..K-1, eps ~ N(0, I)
    L_imitation = mean (eps - eps_theta(x_k, k, s))^2     over rows and dimensions

The critics, the actor's loss L_imitation - eta mean Q / mean |Q| and the order of an
update are in ``cores/diffusion.py``; the gradient of Q goes through all K calls of the
network. The schedule's numbers are from the authors' code. Not taken over: their 50
candidate actions a state when acting (``n_candidates`` is 1), one swap of the critics
for all, which is drawn for each seed here, and what the core leaves out: learning rates
that fall, and a checkpoint chosen in the end.

Shapes: S seeds, B batch, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, Range
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.sampling import ddpm, variance_preserving
from tasks.train import Batch, Spaces
from tasks.train.cores.diffusion import (
    DiffusionActorCritic,
    DiffusionParams,
    fresh_policy,
)


@dataclass(frozen=True)
class DQLParams(DiffusionParams):
    """Parameters of DQL; units and ranges stand in params/train/dql.yaml."""

    steps: Annotated[int, Range(1, 1000)]
    beta_low: Annotated[float, Range(0, 100, open=True)]
    beta_high: Annotated[float, Range(0, 100, open=True)]

    def __post_init__(self) -> None:
        """Also refuse a schedule whose rate of noise falls."""
        super().__post_init__()
        if self.beta_high < self.beta_low:
            expected = f"at least beta_low, {self.beta_low}"
            raise RefusedError(PARAMS, "beta_high", self.beta_high, expected, MEND)


class DQL(DiffusionActorCritic[DQLParams]):
    """The network predicts noise; the actor's gradient goes through all K calls."""

    def __init__(
        self, params: DQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.abar: Tensor
        abar = torch.tensor(self.actor.abar, dtype=torch.float32)
        self.register_buffer("abar", abar, persistent=False)

    def network(self) -> DiffusionPolicy:
        """Ancestral sampling through all K times; the predicted action is clipped."""
        p = self.params
        abar = variance_preserving(p.steps, p.beta_low, p.beta_high).tolist()
        return fresh_policy(p, self.spaces, self.seeds, ddpm(abar), "noise", abar=abar)

    def imitation(self, batch: Batch) -> Tensor:
        """Predict the noise in a noisy logged action: mean squared error, (S,)."""
        steps = self.params.steps
        share = (batch.noise["choice"][:, :, 0, 0] + 1) / 2  # (S, B), [0, 1)
        k = (share * steps).long().clamp(0, steps - 1)
        kept, noise = self.abar[k][..., None], batch.noise["noise"]
        x = kept.sqrt() * batch.action + (1 - kept).sqrt() * noise
        predicted = self.actor.network(batch.observation, x, k.float())
        return (predicted - noise).square().mean((1, 2))
