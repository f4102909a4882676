"""Learners whose every seed has data of its own, trained in one stack and played.

Where the data itself is random, as a mixture or a corruption is, its seed goes with the
training seed, and the two make one replicate. The replicates' rows lie one after the
other in one table, and each seed draws from its own part of it. Observations are
normalised by the statistics of all parts together.

Shapes: S replicates, N transitions, E episodes, O observation.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import class_of
from tasks.artifacts.readings import MASK, steps
from tasks.artifacts.transitions import Transitions, divisor
from tasks.beds import Report
from tasks.generate.cores.policy_batch import Act, Arena, Array
from tasks.nets.feedforward import Feedforward
from tasks.train import Learner
from tasks.train.engine.horizon import horizon
from tasks.train.engine.loop import Curves, train
from tasks.train.engine.minibatches import BLOCK, Sampler
from tasks.train.engine.table import pack, spaces
from tasks.worlds import World

Doubles = NDArray[np.float64]
EARLY = 100  # steps; an episode that ends sooner has fallen


@dataclass(frozen=True)
class Effort:
    """How much is trained and played.

    Attributes:
        seeds: Of the replicates, S.
        updates: Gradient steps.
        batch: Rows an update and seed.
        episodes: Of each replicate, E.
        start_seed: Of the first episode; the next one's is one more.
    """

    seeds: tuple[int, ...]
    updates: int
    batch: int
    episodes: int
    start_seed: int


@dataclass(frozen=True)
class Parts:
    """The replicates' data in one table.

    Attributes:
        data: All transitions, replicate after replicate.
        ends: (S + 1,), replicate k has the rows from ends[k] to ends[k + 1].
        returns: Mean return of each replicate's episodes, (S,).
    """

    data: Transitions
    ends: tuple[int, ...]
    returns: Doubles


def transitions(episodes: Sequence[Episode], world: World, name: str) -> Transitions:
    """Episodes as flat arrays, each field as a learner reads it.

    Args:
        episodes: At least one; corrupted ones carry their fields among the infos.
        world: Theirs, with continuous actions.
        name: What they are called in errors.
    """
    space = world.action_space
    assert isinstance(space, Box)  # noqa: S101  # the beds' worlds have no other
    read = [steps(episode, space) for episode in episodes]
    fields: dict[str, Any] = {
        field: np.concatenate([getattr(part, field) for part in read]).astype(
            np.float32
        )
        for field in ("observation", "action", "reward", "next_observation", "attacked")
    }
    attacked = fields.pop("attacked")
    ended = np.concatenate([episode.terminations for episode in episodes])
    digest = hashlib.sha256(fields["observation"].tobytes())
    digest.update(fields["action"].tobytes())
    seen = fields["observation"].astype(np.float64)
    return Transitions(
        **fields,
        terminated=ended.astype(np.float32),
        episode=np.repeat(np.arange(len(read)), [len(e) for e in episodes]),
        observation_mean=seen.mean(0).astype(np.float32),
        observation_std=divisor(seen.std(0), np.abs(seen).max(0)).astype(np.float32),
        action_low=space.low.ravel().astype(np.float32),
        action_high=space.high.ravel().astype(np.float32),
        returns=np.array([episode.ret for episode in episodes]),
        dataset_id=name,
        sha256=digest.hexdigest(),
        attacked=attacked if MASK in episodes[0].infos else None,
    )


def joined(parts: Sequence[Transitions]) -> Parts:
    """The data of several replicates one after the other.

    Args:
        parts: Of one world, all corrupted or none.
    """
    rows = ("observation", "action", "reward", "next_observation", "terminated")
    whole: dict[str, Any] = {
        name: np.concatenate([getattr(x, name) for x in parts]) for name in rows
    }
    first = np.cumsum([0, *(len(x.returns) for x in parts)])
    masks = [x.attacked for x in parts if x.attacked is not None]
    seen = whole["observation"].astype(np.float64)
    data = Transitions(
        **whole,
        episode=np.concatenate([x.episode + first[k] for k, x in enumerate(parts)]),
        observation_mean=seen.mean(0).astype(np.float32),
        observation_std=divisor(seen.std(0), np.abs(seen).max(0)).astype(np.float32),
        action_low=parts[0].action_low,
        action_high=parts[0].action_high,
        returns=np.concatenate([x.returns for x in parts]),
        dataset_id=parts[0].dataset_id,
        sha256=hashlib.sha256("".join(x.sha256 for x in parts).encode()).hexdigest(),
        attacked=np.concatenate(masks) if masks else None,
    )
    ends = np.cumsum([0, *(len(x.reward) for x in parts)])
    means = np.array([x.returns.mean() for x in parts])
    return Parts(data, tuple(int(end) for end in ends), means)


class OwnRows(Sampler):
    """Batches in which each seed's rows are drawn from its own part.

    Args:
        parts: As many as the learner has seeds.
        learner: Whose seeds, widths and noise it draws for.
        batch: B.
        weights: How likely each row of a part is to be drawn, a list a part, each
            adding up to 1; None for evenly.
    """

    def __init__(
        self,
        parts: Parts,
        learner: Learner[Any],
        batch: int,
        weights: Sequence[Doubles] | None = None,
    ) -> None:
        super().__init__(pack(learner, parts.data), learner, batch)
        self.ends = parts.ends
        self.odds = None
        if weights is not None:
            sums = [np.cumsum(part) for part in weights]
            self.odds = [part / part[-1] for part in sums]

    def rows(self, block: int) -> Tensor:
        """Numbers of the rows of a block of updates, (BLOCK, S * B) int64."""
        shape, every = (BLOCK, self.batch), []
        for k, seed in enumerate(self.learner.seeds):
            generator = np.random.default_rng([seed, block, 0])
            first, end = self.ends[k], self.ends[k + 1]
            if self.odds is None:
                every.append(generator.integers(first, end, shape))
            else:
                drawn = np.searchsorted(self.odds[k], generator.random(shape), "right")
                every.append(first + drawn)
        return torch.from_numpy(np.stack(every, axis=1)).view(BLOCK, -1)


def scored(
    block: Mapping[str, Any],
    parts: Parts,
    world: World,
    effort: Effort,
    report: Report,
    weights: Sequence[Doubles] | None = None,
) -> dict[str, Any]:
    """Train a learner on the replicates' data and play what it learned.

    Args:
        block: The learner's parameters with their class; its policy has to be a
            feedforward one.
        parts: The data.
        world: Where.
        effort: How much.
        report: To be told how far it is.
        weights: See :class:`OwnRows`.

    Returns:
        A list of S each: ``score``, mean over episodes; ``noise``, mean over even
        episodes less that over odd ones; ``fell``, share of episodes that ended in
        fewer than 100 steps; ``data``, mean score of the data's episodes. And
        ``horizon``: what of their horizon the critics have had, 0 without critics.
    """
    where = str(block["_target_"])
    cls = class_of(block, where)
    params = cls.Parameters.parse(block, where)
    learner: Learner[Any] = cls(
        params=params,
        spaces=spaces(parts.data),
        seeds=effort.seeds,
        updates=effort.updates,
    )
    sample = OwnRows(parts, learner, effort.batch, weights)

    def say(done: int, _: Mapping[str, float]) -> None:
        report(0.95 * done / effort.updates)

    numbers = effort.updates, effort.batch
    curves = train(learner, parts.data, *numbers, report=say, sample=sample)
    policy = learner.policy()
    assert isinstance(policy, Feedforward)  # noqa: S101  # as the beds' learners are
    returns, lengths = played(policy, world, effort)
    score = world.score(returns)
    return {
        "score": score.mean(axis=1).tolist(),
        "noise": (score[:, ::2].mean(1) - score[:, 1::2].mean(1)).tolist(),
        "fell": (lengths < EARLY).mean(axis=1).tolist(),
        "data": world.score(parts.returns).tolist(),
        "horizon": _horizon(learner, block, parts, curves),
    }


def _horizon(
    learner: Learner[Any], block: Mapping[str, Any], parts: Parts, curves: Curves
) -> dict[str, float]:
    """Share, and value beside the data's; zeros without critics."""
    reached = horizon(learner, block, parts.data, curves)
    if reached is None:
        return {"share": 0.0, "value": 0.0, "data_value": 0.0}
    return {"share": reached["share"], "value": reached["value"]} | {
        "data_value": reached["data_value"]
    }


def played(
    policy: Feedforward, world: World, effort: Effort
) -> tuple[Doubles, Doubles]:
    """Returns and lengths of whole episodes, (S, E) each; all policies from the same.

    Args:
        policy: S of them.
        world: Where.
        effort: Episodes and their starts.
    """
    count = effort.episodes
    starts = [effort.start_seed + e for e in range(count)] * policy.seeds
    arena = Arena(world, len(starts))

    def make(_: slice) -> Act:
        def act(observation: Array) -> Array:
            seen = torch.from_numpy(observation).view(policy.seeds, count, -1)
            with torch.no_grad():
                scaled = policy.squashed(policy.normalise(seen))
            acted: Array = scaled.flatten(0, 1).numpy()
            return acted

        return act

    episodes = arena.play(make, starts, "test")
    arena.batch.close()
    shape = policy.seeds, count
    returns = np.array([episode.ret for episode in episodes]).reshape(shape)
    return returns, np.array([float(len(e)) for e in episodes]).reshape(shape)
