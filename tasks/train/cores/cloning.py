"""The core of behaviour cloning; a method brings the rows it learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Params, Range
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import actor, adam, log_likelihood


@dataclass(frozen=True)
class CloningParams(Params):
    """What every method on this core has; see params/train/bc.yaml."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    actor_rate: Annotated[float, Range(0, 1)]


class Cloning(Learner):
    """A deterministic actor that repeats the logged action: tanh or categorical.

    Of discrete actions the loss is the cross-entropy over the allowed ones, as in
    d3rlpy's ``DiscreteBC`` without its penalty on the logits.
    """

    actions = ("continuous", "discrete")

    def __init__(
        self,
        params: CloningParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
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
            loss = -log_likelihood(self.actor, o, a, legal).mean(-1)  # (S,)
        else:
            error = self.actor.squashed(o) - a  # (S, B, A)
            loss = error.square().sum(-1).mean(-1)
        self.descend("actor", loss)
        return {"actor_loss": loss.detach()}

    def policy(self) -> Policy:
        """The actor."""
        return self.actor
