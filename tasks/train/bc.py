"""BC: behaviour cloning, the row every other learner is measured against.

Reference implementation: CORL ``any_percent_bc.py`` with all trajectories. It takes
the mean over action dimensions where this file takes the sum, as the norm says; Adam
does not see the difference.

Of discrete actions the loss is the cross-entropy of the allowed ones, as in d3rlpy's
``DiscreteBC`` (whose penalty on the logits is left out).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Params, Range
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train._core import actor, adam, log_likelihood


@dataclass(frozen=True)
class BCParams(Params):
    """See params/train/bc.yaml for units and ranges."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    actor_rate: Annotated[float, Range(0, 1)]


class BC(Learner):
    """A deterministic actor that repeats the logged action: tanh or categorical."""

    Parameters = BCParams
    actions = ("continuous", "discrete")

    def __init__(
        self, params: BCParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.columns = ("legal",) if spaces.masked else ()
        self.actor = actor(spaces, seeds, params.actor_hidden)
        self.optimisers = {"actor": adam(self.actor.parameters(), params.actor_rate)}

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend mean ||pi(s) - a||^2, or mean -log pi(a | s)."""
        del step
        o, a = batch.observation, batch.action
        if self.spaces.discrete:
            legal = batch.columns.get("legal")
            loss = -log_likelihood(self.actor, o, a, legal).mean(-1)
        else:
            error = self.actor.squashed(o) - a  # (S, B, A)
            loss = error.square().sum(-1).mean(-1)  # (S,)
        self.descend("actor", loss)
        return {"actor_loss": loss.detach()}

    def policy(self) -> Policy:
        """The actor."""
        return self.actor
