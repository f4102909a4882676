"""Fitted Q: the value of given policies from logged transitions, all in one stack.

Each policy π has an ensemble of E networks of its own in the stack, each with its own
target network Q', which follows it slowly. With transitions (s, a, r, d, s') of the
data, d = 1 where an episode terminated, a step descends

    L(θ) = mean_batch [ Q_θ(s, a) - y ]^2
    y = r + γ (1 - d) clip(Q_θ'(s', a'), low, high),   a' ~ π(s')
    θ' <- (1 - τ) θ' + τ θ

Slice k depends on its seed alone.

Source: Le, Voloshin & Yue 2019 (arXiv 1903.08738), with the target network of Voloshin
et al. 2019 (arXiv 1911.06854); the bounds are this project's.

Shapes: S policies, E members, B batch, N transitions, O observation, A action.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.density import Gaussian, scaled
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Range
from tasks.estimate import Doubles, EstimateParams, Target, Tell, begins
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam, frozen_copy, polyak

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

BLOCK = 256  # updates whose batches are drawn at once
CHUNK = 8_192  # rows a forward pass at the end


@dataclass(frozen=True)
class FittedParams(EstimateParams):
    """Parameters of a fit of Q, beside those of every estimator.

    Attributes:
        hidden: Units a hidden layer.
        members: Networks a policy, E.
        updates: Gradient steps.
        batch: B.
        rate: Of Adam.
        polyak: τ, the share of the new weights that enter the target an update.
        samples: Actions drawn for the value of a state, of a policy with noise.
    """

    hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    members: Annotated[int, Range(1, 100)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    rate: Annotated[float, Range(0, 1, open=True)]
    polyak: Annotated[float, Range(0, 1)]
    samples: Annotated[int, Range(1, 1000)]


class Fitted:
    """Q of each policy: fitted first, then read.

    It learns from rewards divided by the root mean square of the discounted returns
    that were logged from each step on, so that values are of order 1; what it gives
    out is in units of the world.

    What it bootstraps from is kept within what rewards as those logged can add up to.
    Without that, actions far from the logged ones sometimes feed each other until Q
    runs away; with it, an estimate that leans on a bound says so in ``bounded``.

    Args:
        p: Parameters of the fit.
        data: The transitions; truncated ones bootstrap.
        targets: The policies by seed.

    Attributes:
        error: Root mean square of the last Bellman errors, units of the world.
        bounded: (S,), share of the last values that had to be kept within bounds.
    """

    def __init__(
        self, p: FittedParams, data: "Transitions", targets: Mapping[int, Target]
    ) -> None:
        self.p, self.data, self.targets = p, data, targets
        self.seeds = tuple(targets)
        width = data.observation.shape[1] + data.action.shape[1]
        widths = (width, *p.hidden, 1)
        make: Callable[[], MLP] = lambda: MLP(self.seeds, "fqe", widths, p.members)  # noqa: E731
        self.net = make()
        self.target = frozen_copy(self.net, make())
        self.optimiser = adam(self.net.parameters(), p.rate)
        self.scale = _scale(data, p.discount)
        self.low, self.high = _bounds(data, p.discount, self.scale)
        self.error, self.bounded = float("nan"), np.zeros(len(targets))

    def fit(self, tell: Tell) -> None:
        """Regress to r + discount Q'(s', a'), a' drawn from the policy at s'.

        Raises:
            RefusedError: If it diverges.
        """
        p, data = self.p, self.data
        o, o2 = self._normal(data.observation), self._normal(data.next_observation)
        a = scaled(data.action, data.action_low, data.action_high)
        reward = (data.reward / self.scale)[:, None]
        columns = [o, a, reward, data.terminated[:, None], o2]
        table = torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))
        cuts = [o.shape[1], a.shape[1], 1, 1, o.shape[1]]
        after = [target(data.next_observation) for target in self.targets.values()]
        draw = _Draws(self.seeds, len(table), p.batch, a.shape[1])
        recent: list[Tensor] = []
        outside = torch.zeros(len(self.seeds))
        for step in range(p.updates):
            index, noise = draw(step)  # (S, B), (S, B, A)
            rows = table[torch.from_numpy(index)]
            before, acted, r, d, then = torch.split(rows, cuts, dim=-1)
            chosen = np.stack(
                [
                    _rows(policy, index[k]).sample(noise[k])
                    for k, policy in enumerate(after)
                ]
            )
            following = torch.cat([then, torch.from_numpy(chosen).float()], dim=-1)
            with torch.no_grad():
                guess = self._values(self.target, following)
                q_next = guess.clamp(self.low, self.high)  # (S, E, B)
                outside += (guess != q_next).float().mean((1, 2))
            y = r.mT + p.discount * (1 - d.mT) * q_next
            q = self._values(self.net, torch.cat([before, acted], dim=-1))
            loss = (q - y).square().mean(-1)  # (S, E)
            trained = self.optimiser.parameters
            self.optimiser.step(torch.autograd.grad(loss.sum(), trained))
            polyak(self.target, self.net, p.polyak)
            recent.append(loss.detach().mean())
            if (step + 1) % BLOCK == 0 or step + 1 == p.updates:
                self.error = self._mean(recent, step + 1)
                self.bounded = (outside / len(recent)).double().numpy()
                outside = torch.zeros(len(self.seeds))
                tell((step + 1) / p.updates, f"rms error {self.error:.4g}")
                recent.clear()

    def q(self, observation: NDArray[Any], action: Doubles) -> Doubles:
        """Q (S, E, N) of observations (N, O) and actions (S, N, A) in [-1, 1].

        Read from the target networks, whose weights are running means.
        """
        o = torch.from_numpy(self._normal(observation)).float()
        a = torch.from_numpy(action).float()
        chunks = []
        with torch.no_grad():
            for begin in range(0, len(o), CHUNK):
                chunk = o[begin : begin + CHUNK].expand(len(a), -1, -1)
                x = torch.cat([chunk, a[:, begin : begin + CHUNK]], dim=-1)
                chunks.append(self._values(self.target, x))
        within = torch.cat(chunks, dim=-1).double().clamp(self.low, self.high)
        return within.numpy() * self.scale

    def v(self, observation: NDArray[Any]) -> Doubles:
        """Mean Q (S, E, N) of the policies' actions at observations (N, O)."""
        policies = [target(observation) for target in self.targets.values()]
        noisy = any(bool((policy.std > 0).any()) for policy in policies)
        generator = np.random.default_rng(0)
        draws = self.p.samples if noisy else 1
        total: Any = 0.0
        for _ in range(draws):
            noise = generator.standard_normal(policies[0].mean.shape)
            action = np.stack([policy.sample(noise) for policy in policies])
            total = total + self.q(observation, action)
        return np.asarray(total / draws)

    def _normal(self, observation: NDArray[Any]) -> Doubles:
        """Observations, normalised by the data's statistics."""
        mean, std = self.data.observation_mean, self.data.observation_std
        return ((observation - mean) / std).astype(np.float64)

    def _values(self, net: MLP, x: Tensor) -> Tensor:
        """(S, B, O + A) -> (S, E, B)."""
        return net(x).view(len(x), self.p.members, -1)

    def _mean(self, recent: list[Tensor], step: int) -> float:
        """Root of the mean loss, units of the world; refused if it is no number."""
        mean = float(torch.stack(recent).mean().sqrt()) * self.scale
        if not np.isfinite(mean):
            raise RefusedError(
                "estimate.fqe",
                "Bellman error",
                f"a number that is not finite before update {step}",
                "finite numbers",
                "lower rate or discount",
            )
        return mean


class _Draws:
    """Row numbers (S, B) and noise (S, B, A) of any update, a block at a time."""

    def __init__(self, seeds: tuple[int, ...], n: int, batch: int, width: int) -> None:
        self.seeds, self.n, self.shape = seeds, n, (BLOCK, batch)
        self.width, self.block = width, -1

    def __call__(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        block, i = divmod(step, BLOCK)
        if block != self.block:
            self.block = block
            draws = [np.random.default_rng([k, block]) for k in self.seeds]
            self.index = np.stack([g.integers(0, self.n, self.shape) for g in draws])
            shape = (*self.shape, self.width)
            self.noise = np.stack([g.standard_normal(shape, np.float32) for g in draws])
        return self.index[:, i], self.noise[:, i]


def _rows(policy: Gaussian, rows: NDArray[np.int64]) -> Gaussian:
    """A policy's distributions at some observations, by their row numbers."""
    return Gaussian(policy.mean[rows], policy.std[rows], policy.squashed)


def _bounds(data: "Transitions", discount: float, scale: float) -> tuple[float, float]:
    """Least and most that rewards as those logged can add up to, in units of scale.

    An episode that may terminate may also earn only once.
    """
    low, high = (float(end) / scale for end in (data.reward.min(), data.reward.max()))
    if discount == 1:
        return -np.inf, np.inf
    ends = bool(data.terminated.any())
    least, most = low / (1 - discount), high / (1 - discount)
    return (min(least, low), max(most, high)) if ends else (least, most)


def _scale(data: "Transitions", discount: float) -> float:
    """Root mean square of discounted returns-to-go; 1 where nothing was earned."""
    togo = np.array(data.reward, np.float64)
    first = set(begins(data).tolist())
    for row in range(len(togo) - 2, -1, -1):
        if row + 1 not in first:
            togo[row] += discount * togo[row + 1]
    scale = float(np.sqrt(np.mean(togo**2)))
    return scale if scale > 0 and np.isfinite(scale) else 1.0
