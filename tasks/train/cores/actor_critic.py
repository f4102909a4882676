"""Parts several learners share: actors, ensembles of critics, losses.

Shapes: S seeds, B batch, O observation, A action, E members of an ensemble.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Params, Range
from tasks.nets.critic import Critic
from tasks.nets.feedforward import LOG_STD_RANGE, Feedforward
from tasks.nets.fitting import Loss, climb, fit
from tasks.nets.layers import MLP
from tasks.nets.optimisers import Adam
from tasks.train import Spaces

# range of the log of a deviation that is a parameter of its own, the same in every
# state; in half action ranges
FREE_LOG_STD_MIN, FREE_LOG_STD_MAX = -20.0, 2.0


@dataclass(frozen=True)
class ActorCriticParams(Params):
    """Parameters of every actor with critics.

    Values spread slowly: of the gap between a critic's first values and the ones it
    tends to, n updates close about 1 - exp(-n polyak (1 - discount)), with n divided by
    ``policy_delay`` where a method has one. At 0.005 and 0.99 that is a fifth after
    5 000 updates and 78 % after 30 000.

    Attributes:
        actor_hidden: Units of each hidden layer of the actor.
        critic_hidden: Units of each hidden layer of the critics.
        discount: Per step.
        polyak: Share of the new weights when a target network moves.
        actor_rate: Learning rate of the actor.
        critic_rate: Learning rate of the critics.
    """

    actor_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    critic_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    discount: Annotated[Sweepable, Range(0, 1)]
    polyak: Annotated[Sweepable, Range(0, 1)]
    actor_rate: Annotated[Sweepable, Range(0, 1)]
    critic_rate: Annotated[Sweepable, Range(0, 1)]


def actor(
    spaces: Spaces,
    seeds: Sequence[int],
    hidden: Sequence[int],
    head: str = "tanh",
    log_std_range: tuple[float, float] = LOG_STD_RANGE,
) -> Feedforward:
    """A freshly initialised policy: O -> hidden... -> A (2A for a gaussian head).

    Args:
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        hidden: Hidden widths.
        head: How outputs become an action: ``tanh``, ``clip`` or ``gaussian``. For
            discrete actions it is categorical, whatever was asked for.
        log_std_range: What a gaussian head's log deviation is clipped to.
    """
    head = "categorical" if spaces.discrete else head
    outputs = spaces.action * (2 if head == "gaussian" else 1)
    net = MLP(seeds, "actor", (spaces.observation, *hidden, outputs))
    return Feedforward(
        list(net.layers),
        head,
        spaces.observation_mean,
        spaces.observation_std,
        spaces.action_low,
        spaces.action_high,
        log_std_range,
        spaces.masked,
    )


def log_likelihood(
    policy: Feedforward, observation: Tensor, action: Tensor, legal: Tensor | None
) -> Tensor:
    """Log likelihood log pi(a | s) of logged actions under a categorical head.

    Args:
        policy: Its softmax goes over the allowed actions.
        observation: (S, B, O), normalised.
        action: (S, B, A), one-hot.
        legal: (S, B, A); None allows all.

    Returns:
        (S, B).
    """
    logits = policy.logits(observation, legal)
    return (torch.log_softmax(logits, dim=-1) * action).sum(-1)


class Critics(nn.Module):
    """An ensemble of critics Q(s, a) for each seed.

    With discrete actions a network gives Q of every action, and the one-hot action
    picks one of them.

    Args:
        spaces: Widths.
        seeds: One slice each.
        hidden: Hidden widths.
        members: E, two by default.
        norm: Where hidden layers are normalised: ``none``, ``before`` or ``after`` the
            activation.
        activation: Between layers, ``relu`` or ``mish``.
    """

    def __init__(
        self,
        spaces: Spaces,
        seeds: Sequence[int],
        hidden: Sequence[int],
        members: int = 2,
        norm: str = "none",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.discrete = spaces.discrete
        ends = (spaces.observation + spaces.action, 1)
        if spaces.discrete:
            ends = (spaces.observation, spaces.action)
        widths = (ends[0], *hidden, ends[1])
        self.net = MLP(seeds, "critics", widths, members, norm, activation)

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        """Q of every member: (S, B, O) and (S, B, A) -> (S, E, B)."""
        if self.discrete:
            return (self.net(observation) * action.unsqueeze(1)).sum(-1)
        return self.net(observation, action).squeeze(-1)

    def many(self, observation: Tensor, actions: Tensor) -> Tensor:
        """Q of several actions a state: (S, B, O), (S, B, n, A) -> (S, E, B, n)."""
        n = actions.shape[2]
        x = torch.cat([observation.unsqueeze(2).expand(-1, -1, n, -1), actions], -1)
        q = self.net(x.flatten(1, 2))  # (S, E, B*n, 1)
        return q.view(*q.shape[:2], -1, n)

    def first(self, observation: Tensor, action: Tensor) -> Tensor:
        """Q of the first member alone: (S, B, O) and (S, B, A) -> (S, B)."""
        if self.discrete:
            return (self.net.member(observation, 0) * action).sum(-1)
        x = torch.cat([observation, action], dim=-1)
        return self.net.member(x, 0).squeeze(-1)

    def fit(
        self,
        optimiser: Adam,
        observation: Tensor,
        action: Tensor,
        loss: Callable[[Tensor], Loss],
    ) -> tuple[Tensor, Tensor]:
        """Step every member down a loss of its Q.

        Args:
            optimiser: Of these critics alone.
            observation: (S, B, O).
            action: (S, B, A).
            loss: Given Q of every member, (S, E, B).

        Returns:
            The losses before the step (S,), and that Q.
        """
        if not self.discrete:
            return fit(optimiser, self.net, (observation, action), loss)
        picks = action.unsqueeze(1)

        def picked(every: Tensor) -> Loss:
            each, (slope,) = loss((every * picks).sum(-1))
            return Loss(each, (slope.unsqueeze(-1) * picks,))

        each, every = fit(optimiser, self.net, (observation,), picked)
        return each, (every * picks).sum(-1)

    def climb(
        self,
        observation: Tensor,
        action: Tensor,
        choose: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Q of continuous actions, and its gradient by them, as an actor climbs it.

        Args:
            observation: (S, B, O).
            action: (S, B, A).
            choose: What is climbed of all members' Q, (S, E, B) -> (S, B); by default
                the first member's.

        Returns:
            (S, B) and (S, B, A).
        """
        return climb(self.net, (observation, action), choose)


def gentle_start(
    layers: Sequence[nn.Module], bound: float, draws: Sequence[torch.Generator]
) -> None:
    """Set hidden biases to 0.1 and draw the last layer from U(-bound, bound), in place.

    Args:
        layers: Of one network, at least one.
        bound: > 0.
        draws: One generator a seed.
    """
    *hidden, last = layers
    for layer in hidden:
        nn.init.constant_(layer.get_parameter("bias"), 0.1)
    for tensor in (last.get_parameter("weight"), last.get_parameter("bias")):
        parts = tensor.chunk(len(draws))
        for part, draw in zip(parts, draws, strict=True):
            nn.init.uniform_(part, -bound, bound, generator=draw)


def trained_critic(spaces: Spaces, critics: Critics) -> Critic:
    """The module that is kept beside a policy, made of trained critics.

    Args:
        spaces: Statistics and bounds, which the module holds as well.
        critics: It shares their tensors.

    Raises:
        ValueError: If they have norms, which that module has not.
    """
    if critics.net.norm != "none":
        raise ValueError(f"critics with a norm {critics.net.norm} their layers")
    return Critic(
        list(critics.net.layers),
        critics.net.members,
        spaces.observation_mean,
        spaces.observation_std,
        spaces.action_low,
        spaces.action_high,
    )


def bellman_loss(q: Tensor, target: Tensor) -> Tensor:
    """Sum over critics of the mean squared error, sum_i mean (Q_i(s, a) - y)^2.

    Args:
        q: Q_i(s, a), (S, E, B).
        target: y, (S, B), without gradient.

    Returns:
        (S,).
    """
    return (q - target.unsqueeze(1)).square().mean(-1).sum(-1)
