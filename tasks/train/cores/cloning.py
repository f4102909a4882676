"""The core of behaviour cloning; a method says which rows it learns from.

Continuous actions, with a deterministic actor pi:

    L = mean ||pi(s) - a||^2

Discrete actions, with the softmax over the allowed ones:

    L = -mean log pi(a | s)

Shapes: S seeds, B batch, O observation, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Params, Range
from tasks.nets.fitting import fit
from tasks.nets.optimisers import adam
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import actor, log_likelihood
from tasks.train.cores.losses import square


@dataclass(frozen=True)
class CloningParams(Params):
    """Parameters of every method on this core.

    Attributes:
        actor_hidden: Units of each hidden layer.
        actor_rate: Learning rate.
    """

    actor_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    actor_rate: Annotated[Sweepable, Range(0, 1)]


AnyParams = TypeVar("AnyParams", bound=CloningParams)


class Cloning(Learner[AnyParams]):
    """A deterministic actor that repeats the logged action, by tanh or categorical.

    Of discrete actions this is d3rlpy's ``DiscreteBC`` without its penalty on the
    logits.
    """

    actions = ("continuous", "discrete")

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.columns = ("legal",) if spaces.masked else ()
        self.actor = actor(spaces, seeds, params.actor_hidden)
        self.optimisers = {"actor": adam(self.actor.parameters(), params.actor_rate)}

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the squared error, or the cross-entropy of discrete actions."""
        del step
        o, a = batch.observation, batch.action
        if self.spaces.discrete:
            legal = batch.columns.get("legal")
            loss = -log_likelihood(self.actor, o, a, legal).mean(-1)  # (S,)
            self.descend("actor", loss)
            return {"actor_loss": loss.detach()}
        loss, _ = fit(
            self.optimisers["actor"], self.actor, (o,), lambda pi: square(pi, a)
        )
        return {"actor_loss": loss}

    def policy(self) -> Policy:
        """The trained actor."""
        return self.actor
