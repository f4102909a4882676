"""Parts several learners share: actors, twin critics, optimisers, target networks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Adam

from tasks.artifacts.params import Params, Range
from tasks.nets.critic import Critic
from tasks.nets.feedforward import LOG_STD_RANGE, Feedforward
from tasks.nets.layers import MLP
from tasks.train import Spaces

AnyModule = TypeVar("AnyModule", bound=nn.Module)

# log of a standard deviation that is a parameter of its own, in half action ranges
FREE_LOG_STD_MIN, FREE_LOG_STD_MAX = -20.0, 2.0


@dataclass(frozen=True)
class ActorCriticParams(Params):
    """What every actor with critics has; see params/train/td3_bc.yaml for units."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]


def actor(
    spaces: Spaces,
    seeds: Sequence[int],
    hidden: Sequence[int],
    head: str = "tanh",
    log_std_range: tuple[float, float] = LOG_STD_RANGE,
) -> Feedforward:
    """A freshly initialised policy: O -> hidden... -> A (2A for a gaussian head).

    Of discrete actions the head is categorical, whatever was asked for.
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
    """Log likelihood, log pi(a | s), of a categorical head.

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
    """An ensemble of Q(s, a) a seed.

    Of discrete actions the network gives Q of all of them, and the action picks.

    Args:
        spaces: Widths.
        seeds: One slice each.
        hidden: Hidden widths.
        members: E, two by default.
        norm: Where hidden layers are normalised, see ``layers.MLP``.
        activation: Between layers, as there.
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
        """(S, B, O) and (S, B, A) -> (S, E, B)."""
        if self.discrete:
            return (self.net(observation) * action.unsqueeze(1)).sum(-1)
        return self.net(torch.cat([observation, action], dim=-1)).squeeze(-1)

    def many(self, observation: Tensor, actions: Tensor) -> Tensor:
        """Q of several actions a state: (S, B, O), (S, B, n, A) -> (S, E, B, n)."""
        n = actions.shape[2]
        x = torch.cat([observation.unsqueeze(2).expand(-1, -1, n, -1), actions], -1)
        q = self.net(x.flatten(1, 2))  # (S, E, B*n, 1)
        return q.view(*q.shape[:2], -1, n)

    def first(self, observation: Tensor, action: Tensor) -> Tensor:
        """Q_1 alone: (S, B, O) and (S, B, A) -> (S, B)."""
        if self.discrete:
            return (self.net.member(observation, 0) * action).sum(-1)
        x = torch.cat([observation, action], dim=-1)
        return self.net.member(x, 0).squeeze(-1)


def gentle_start(
    layers: Sequence[nn.Module], bound: float, draws: Sequence[torch.Generator]
) -> None:
    """Biases of hidden layers 0.1, the last layer U(-bound, bound), in place.

    Args:
        layers: Of one network.
        bound: > 0.
        draws: One a seed.
    """
    *hidden, last = layers
    for layer in hidden:
        nn.init.constant_(layer.get_parameter("bias"), 0.1)
    for tensor in (last.get_parameter("weight"), last.get_parameter("bias")):
        parts = tensor.chunk(len(draws))
        for part, draw in zip(parts, draws, strict=True):
            nn.init.uniform_(part, -bound, bound, generator=draw)


def frozen_copy(module: AnyModule, fresh: AnyModule) -> AnyModule:
    """Make ``fresh`` a target network: the same numbers, no gradients."""
    fresh.load_state_dict(module.state_dict())
    return fresh.requires_grad_(False)


def trained_critic(spaces: Spaces, critics: Critics) -> Critic:
    """Critics as the module that is kept beside a policy; it shares their tensors.

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


def polyak(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Target <- (1 - rate) target + rate source, in place."""
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)


def adam(parameters: Iterable[nn.Parameter], rate: float) -> Adam:
    """Adam as the papers use it (betas 0.9 and 0.999, eps 1e-8), fused."""
    return Adam(parameters, lr=rate, fused=True)


def bellman_loss(q: Tensor, target: Tensor) -> Tensor:
    """Sum over members of the mean squared error: (S, E, B), (S, B) -> (S,)."""
    return (q - target.unsqueeze(1)).square().mean(-1).sum(-1)


def normal_surprise(error: Tensor, log_std: Tensor) -> Tensor:
    """-log of a normal density whose deviation is of no state.

    Args:
        error: (S, B, A), mean minus action.
        log_std: (S, 1, A), clipped to [-20, 2].

    Returns:
        Sum over the actions, (S, B).
    """
    log_std = log_std.clamp(FREE_LOG_STD_MIN, FREE_LOG_STD_MAX)
    z = error * (-log_std).exp()
    return (0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def sample_tanh_gaussian(
    policy: Feedforward, observation: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Action and its log likelihood from a gaussian head.

    Args:
        policy: With a gaussian head.
        observation: (S, B, O), normalised.
        noise: (S, B, A), standard normal.

    Returns:
        Action in [-1, 1] (S, B, A) and log pi (S, B).
    """
    return squash(*gaussian(policy, observation), noise)


def gaussian(policy: Feedforward, observation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and clipped log std before tanh: (S, B, O) -> (S, B, A) each."""
    mean, log_std = policy.preactivation(observation).chunk(2, dim=-1)
    return mean, log_std.clamp(*policy.log_std_range)


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """tanh(mean + std noise) and its log likelihood: (..., A) each -> (..., A), (...).

    With the tanh correction in its stable form, log(1 - tanh(u)^2) =
    2 (log 2 - u - softplus(-2u)).
    """
    u = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))
    return torch.tanh(u), (log_normal - correction).sum(-1)
