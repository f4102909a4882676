"""The recording loop: several episodes in flight, each whole when it leaves.

Shapes: N sub-environments ("slots" where episodes are put into them), T steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.density import Doubles
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.artifacts.seeding import PER_PART, episode_generator, start_seed
from tasks.generate import Progress
from tasks.generate.engine.recorder import Recorder
from tasks.worlds import Batch, World
from tasks.worlds.engine.behaviors import Behavior

Counts = NDArray[np.int64]
MOST_EPISODES = 1_000_000  # of a dataset


def check_count(episodes: int, where: object) -> None:
    """Refuse more episodes than can be written in an hour and 4 GB of memory.

    Args:
        episodes: Of the whole dataset.
        where: For the error.

    Raises:
        RefusedError: If they are more than :data:`MOST_EPISODES`.
    """
    if episodes > MOST_EPISODES:
        raise RefusedError(
            where,
            "episodes",
            episodes,
            f"at most {MOST_EPISODES} in a dataset, as one of a single step already "
            "takes 0.8 ms, 5 KB of disk and 2.3 KB of memory",
            "take fewer episodes, or longer ones",
        )


@dataclass(frozen=True)
class BudgetParams(Params):
    """How much to collect, in episodes or in steps, the other being None."""

    episodes: Annotated[int | None, Range(1, PER_PART)]
    steps: Annotated[int | None, Range(1, 10**8)]

    def __post_init__(self) -> None:
        """Also refuse a budget that is not exactly one of episodes and steps."""
        super().__post_init__()
        if (self.episodes is None) == (self.steps is None):
            raise RefusedError(
                PARAMS,
                "episodes",
                f"{self.episodes} episodes and {self.steps} steps",
                "one of them, the other null",
                "set one to null",
            )


@dataclass(frozen=True)
class Plan:
    """What to collect with one behaviour.

    Attributes:
        seed: Of the dataset, 0..100.
        part: Number of the part, 0..99.
        episodes: How many; None if ``steps`` says.
        steps: Episodes are taken, in order, until they hold as many steps; the last
            one is whole.
        in_flight: Sub-environments stepped together; changes speed, not results.
    """

    seed: int
    part: int
    episodes: int | None
    steps: int | None
    in_flight: int

    def start_seed(self, number: int) -> int:
        """Start seed of an episode."""
        return start_seed(self.seed, self.part, number)

    def generator(self, number: int) -> np.random.Generator:
        """The episode's own source of noise."""
        return episode_generator(self.seed, self.part, number)

    @property
    def limit(self) -> int:
        """Most episodes there may be."""
        return PER_PART if self.episodes is None else self.episodes

    @property
    def slots(self) -> int:
        """Sub-environments worth having; a small budget needs few."""
        most = self.limit if self.steps is None else -(-self.steps // 10)
        return min(self.in_flight, most)


def collect(
    world: World, parts: Sequence[tuple[Behavior, Plan]], progress: Progress
) -> list[Episode]:
    """Record whole episodes of one behaviour after the other, all in one batch.

    With a budget of steps, no episode starts once those before it, finished or in
    flight, hold enough; of the few in flight then, only those that are needed are
    kept. So the same episodes come out however many are in flight.

    Where every behaviour can tell how likely its actions were, each episode's infos
    have ``log_prob`` (T+1,), as :meth:`Behavior.log_prob` gives it; the last is 0, as
    no action follows. Where one cannot, no episode has it.

    Args:
        world: Where.
        parts: Who acts, and how many episodes from which seeds.
        progress: Called every 100 steps and at the end of a part.

    Returns:
        The episodes of the first part by ascending number, then those of the next.

    Raises:
        RefusedError: If they are too many.
    """
    check_count(sum(plan.episodes or 0 for _, plan in parts), world.params.name)
    batch = world.make(max(plan.slots for _, plan in parts))
    batch.reset(seed=[parts[0][1].start_seed(0)] * batch.num_envs)
    batch.ended[:] = True  # until a slot gets an episode
    episodes: list[Episode] = []
    likely: list[Doubles | None] = []
    for number, (behavior, plan) in enumerate(parts):
        words = f"{behavior.name} ({number + 1}/{len(parts)})"

        def say(share: float, number: int = number, words: str = words) -> None:
            progress((number + share) / len(parts), words)

        part = _part(batch, behavior, plan, say)
        episodes += part
        check_count(len(episodes), world.params.name)
        likely += [_likely(behavior, episode) for episode in part]
    batch.close()
    known = [log_prob for log_prob in likely if log_prob is not None]
    if len(known) < len(episodes):  # of all episodes or of none
        return episodes
    return [
        replace(episode, infos={**episode.infos, "log_prob": np.append(log_prob, 0.0)})
        for episode, log_prob in zip(episodes, known, strict=True)
    ]


def _likely(behavior: Behavior, episode: Episode) -> Doubles | None:
    """Log density (T,) of an episode's actions, by one call of the policy."""
    taken = np.asarray(episode.actions, np.float32)
    return behavior.log_prob(episode.observations[:-1], taken)


def _part(
    batch: Batch, behavior: Behavior, plan: Plan, progress: Callable[[float], None]
) -> list[Episode]:
    """Record the episodes of one behaviour.

    Args:
        batch: Parked, before and after.
        behavior: Who acts.
        plan: How many episodes, from which seeds.
        progress: Called with the share of this part that is done.

    Returns:
        The episodes by ascending number.

    Raises:
        RefusedError: If a budget of steps takes more episodes than a part has start
            seeds.
    """
    book, done = Recorder(batch, batch.num_envs, behavior.noise_width), {}
    lengths: Counts = np.zeros(0, np.int64)  # steps so far of episodes 0, 1, ...
    fill, count = True, 0
    while True:
        if fill:
            lengths = _fill(batch, book, behavior, plan, lengths)
            fill = False
        if (book.number < 0).all():
            break
        terminated, truncated = book.step(behavior)
        busy = book.number >= 0
        lengths[book.number[busy]] = book.at[busy]
        for slot in map(int, np.flatnonzero(terminated | truncated)):
            number = int(book.number[slot])
            seed, fell = plan.start_seed(number), bool(terminated[slot])
            done[number] = book.take(slot, fell, seed, behavior.name)
            fill = True
        count += 1
        if count % 100 == 0:
            enough = _needed(plan, lengths)
            book.number[(book.number >= enough)] = -1
            batch.ended[book.number < 0] = True
            fill = True
            progress(_share(plan, lengths, len(done)))
    progress(1.0)
    if plan.steps is not None and lengths.sum() < plan.steps:
        raise RefusedError(
            PARAMS,
            "steps",
            f"{plan.steps}, of which {PER_PART} episodes hold {lengths.sum()}",
            f"at most {PER_PART} episodes a part",
            "share the steps between several parts, or take fewer",
        )
    return [done[number] for number in range(_needed(plan, lengths))]


def _needed(plan: Plan, lengths: Counts) -> int:
    """How many of the first episodes are enough; no bound while more must start."""
    if plan.steps is None:
        return plan.limit
    enough = np.flatnonzero(np.cumsum(lengths) >= plan.steps)
    return int(enough[0]) + 1 if len(enough) else PER_PART


def _expected(plan: Plan, book: Recorder, lengths: Counts) -> int:
    """How many more episodes a budget of steps will probably take.

    Episodes in flight are expected to grow as long as the mean of those that ended, or
    to the time limit while none has. A wrong guess costs time, never an episode.
    """
    if plan.steps is None:
        return plan.limit
    running = book.number >= 0
    ended = np.delete(lengths, book.number[running])
    length = ended.mean() if len(ended) else book.actions.shape[1]
    total = ended.sum() + np.maximum(book.at[running], length).sum()
    return int(np.ceil((plan.steps - total) / length))


def _share(plan: Plan, lengths: Counts, done: int) -> float:
    """Share of the plan that is done."""
    if plan.steps is not None:
        return min(1.0, float(np.sum(lengths)) / plan.steps)
    return done / plan.limit


def _fill(
    batch: Batch, book: Recorder, behavior: Behavior, plan: Plan, lengths: Counts
) -> Counts:
    """Give free slots the next episodes.

    Returns:
        Steps so far of all episodes that have started, the new ones at 0.
    """
    free = book.number < 0
    started = len(lengths)
    room = min(_needed(plan, lengths) - started, _expected(plan, book, lengths))
    new = np.flatnonzero(free)[: max(0, room)]
    if not len(new):
        return lengths
    mask = np.zeros(len(free), bool)
    mask[new] = True
    seeds = [0] * len(free)
    limit = book.actions.shape[1]
    for number, slot in enumerate(map(int, new), started):
        seeds[slot] = plan.start_seed(number)
        book.begin(slot, number, behavior.draw(plan.generator(number), limit))
    batch.reset(seed=seeds, options={"reset_mask": mask})
    book.first(mask)
    return np.concatenate([lengths, np.zeros(len(new), lengths.dtype)])
