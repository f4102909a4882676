"""Decision Transformer: a sequence model of actions, prompted with a return.

Paper: Chen et al. 2021, "Decision Transformer: Reinforcement Learning via Sequence
Modeling" (arXiv 2106.01345). With the return-to-go R_t = sum_{k >= t} r_k and a context
of K steps:

    ahat_t = f(R_{t-K+1}, s_{t-K+1}, a_{t-K+1}, ..., R_t, s_t)    causal attention
    L      = mean_t mean over dimensions (ahat_t - a_t)^2         over steps that exist

When acting, R_0 is the return asked for, and R_{t+1} = R_t - r_t. Reference
implementation: CORL ``dt.py``. As there, weights start normal with deviation 0.02, and
dropout acts on the embedded sequence, on attention weights and on what a block adds.
CORL divides the loss by the padded steps too, and draws 4096 windows an update; here
the study's batch counts steps, so that 256 rows are 12 windows of 20.

Shapes: S seeds, B windows, K steps, A action.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.artifacts.seeding import generator
from tasks.nets.optimisers import adam, clip_by_seed
from tasks.nets.policy import Policy
from tasks.nets.transformer import DecisionTransformer
from tasks.train import Learner, Spaces
from tasks.train.cores.sequences import Dropout, Sequences, WindowSampler

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class DTParams(Params):
    """Parameters of DT; units and ranges stand in params/train/dt.yaml."""

    context: Annotated[int, Range(2, 65_536)]
    width: Annotated[int, Range(1, 65_536)]
    heads: Annotated[int, Range(1, 1000)]
    blocks: Annotated[int, Range(1, 1000)]
    dropout: Annotated[float, Range(0, 0.99)]
    rate: Annotated[Sweepable, Range(0, 1)]
    weight_decay: Annotated[float, Range(0, 1)]
    warm_up: Annotated[int, Range(1, 10**9)]
    clip: Annotated[Sweepable, Range(0, 1e9, open=True)]
    return_scale: Annotated[float, Range(0, 1e9, open=True)]
    target_return: Annotated[str | float, Range(-1e9, 1e9)]
    episode_steps: Annotated[int, Range(1, 10**6)]

    def __post_init__(self) -> None:
        """Also refuse heads that do not divide the width, and unknown targets."""
        super().__post_init__()
        if self.width % self.heads:
            raise RefusedError(
                PARAMS,
                "heads",
                self.heads,
                f"a divisor of {self.width}",
                "change heads",
            )
        if isinstance(self.target_return, str) and self.target_return != "best":
            raise RefusedError(
                *(PARAMS, "target_return", repr(self.target_return)),
                *("best, or a number", "change target_return"),
            )


class DT(Learner[DTParams]):
    """One causal transformer, regressed on the logged actions."""

    def __init__(
        self, params: DTParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        p = params
        self.actor = DecisionTransformer(
            *(len(seeds), p.context, p.width, p.heads, p.blocks),
            *(p.episode_steps + p.context, p.return_scale, 0.0),
            *(spaces.observation_mean, spaces.observation_std),
            *(spaces.action_low, spaces.action_high),
        )
        self.actor.initialise([generator(seed, "actor") for seed in seeds])
        if not isinstance(p.target_return, str):
            self.actor.target.fill_(p.target_return)
        trained = self.actor.parameters()
        self.optimisers = {"actor": adam(trained, p.rate, p.weight_decay)}

    def sampler(self, data: "Transitions", batch: int) -> Callable[[int], Any]:
        """Windows of the context's length; the target ``best`` becomes a number here.

        Args:
            data: The dataset.
            batch: Rows, as for every learner: batch // context windows, at least one.
                The paper's 64 windows of 20 steps are a batch of 1280.
        """
        p = self.params
        if p.target_return == "best":
            self.actor.target.fill_(float(max(data.returns)))
        windows = max(1, batch // p.context)
        return WindowSampler(
            self, data, windows, p.context, p.episode_steps, p.return_scale
        )

    def update(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Descend the squared error of the predicted actions, over steps that exist.

        Args:
            batch: A :class:`Sequences`.
            step: Number of updates done before, 0...

        Returns:
            The loss and the norm of its gradient, (S,) each.
        """
        p = self.params
        b: Sequences = batch
        drop = Dropout(self.seeds, p.dropout, step)
        predicted = self.actor.predict(
            b.returns, b.observation, b.action, b.timestep, drop
        )
        error = (predicted - b.action).square().mean(-1) * b.valid  # (S, B, K)
        loss = error.sum((1, 2)) / b.valid.sum((1, 2))  # (S,)
        rate = p.rate * min((step + 1) / p.warm_up, 1.0)
        norm = self._descend(loss, rate)
        return {"actor_loss": loss.detach(), "gradient_norm": norm}

    def _descend(self, loss: Tensor, rate: float) -> Tensor:
        """Step AdamW down the clipped gradient; its norms (S,) before clipping."""
        optimiser = self.optimisers["actor"]
        gradients = torch.autograd.grad(loss.sum(), optimiser.parameters)
        gradients, norm = clip_by_seed(gradients, self.params.clip, len(self.seeds))
        optimiser.rate = rate
        optimiser.step(gradients)
        return norm

    def policy(self) -> Policy:
        """The transformer, prompted with the target return."""
        return self.actor
