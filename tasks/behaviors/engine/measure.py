"""Measure checkpoints by playing, and choose the ones that become behaviours.

Shapes: S seeds, B episodes played at once, O observation, A action.
"""

import numpy as np
import torch
from gymnasium.spaces import Discrete

from tasks.artifacts.actions import pick_legal
from tasks.nets.feedforward import Feedforward
from tasks.worlds import Actions, Floats, World
from tasks.worlds.engine.episodes import Moment, Played, play


def measure(world: World, policy: Feedforward, k: int, episodes: int) -> Played:
    """Play episodes as the policy will be used: with sampled actions, or greedily.

    Args:
        world: Where it acts; discrete worlds are played greedily.
        policy: Of all seeds.
        k: Which seed's slice plays.
        episodes: How many, with the start seeds 0, 1...

    Returns:
        Returns and lengths of the episodes.
    """

    def act(moment: Moment) -> Actions:
        width = policy.action_width
        noise = np.stack([draws[i].standard_normal(width) for i in moment.episode])
        return act_with(policy, k, moment, noise)

    draws = [np.random.default_rng([k, e]) for e in range(episodes)]
    return play(world.make(episodes), act, range(episodes))


def act_with(policy: Feedforward, k: int, moment: Moment, noise: Floats) -> Actions:
    """Actions of one seed's policy.

    Args:
        policy: Of all seeds.
        k: Which seed's slice acts.
        moment: Observations, and legal actions where the world forbids some.
        noise: Standard normal, for a gaussian head, (B, A).

    Returns:
        (B, A) within the world's bounds, or numbers of discrete actions (B,).
    """
    stack = (policy.seeds, -1, -1)
    o = torch.from_numpy(moment.observation.astype(np.float32)).expand(stack)
    with torch.no_grad():
        if policy.discrete:
            legal = None
            if moment.legal is not None:
                legal = torch.from_numpy(moment.legal.astype(np.float32)).expand(stack)
            numbers: Actions = policy(o, legal=legal)[k].numpy()
            return numbers
        actions = policy(o, torch.from_numpy(noise.astype(np.float32)).expand(stack))[k]
        reach = policy.action_scale
        low, high = policy.action_offset - reach, policy.action_offset + reach
        clipped: Floats = actions.clamp(low, high).numpy()
    return clipped


def random_return(world: World, episodes: int) -> Played:
    """Play episodes with uniformly random legal actions.

    Args:
        world: Where to play.
        episodes: How many, with the start seeds 0, 1...

    Returns:
        Returns and lengths of the episodes.
    """
    space = world.action_space
    draws = [np.random.default_rng([e, 2]) for e in range(episodes)]

    def act(moment: Moment) -> Actions:
        each = [draws[i] for i in moment.episode]
        if isinstance(space, Discrete):
            legal = moment.legal
            if legal is None:
                legal = np.ones((len(each), int(space.n)))
            return pick_legal(np.array([g.random() for g in each]), legal)
        return np.stack([g.uniform(space.low, space.high) for g in each])

    return play(world.make(episodes), act, range(episodes))


def choose(
    scores: Floats, medium: tuple[float, ...], replay: int
) -> tuple[int, dict[str, int]]:
    """Choose the seed and the checkpoints to keep.

    Args:
        scores: Return above the random policy's, (checkpoints, S).
        medium: Smallest and largest share of the expert's score that the medium
            checkpoint may have, in (0, 1).
        replay: How many checkpoints to keep, by number evenly spaced from the first to
            medium.

    Returns:
        The seed's position and checkpoint numbers by name: ``expert`` is the best,
        ``medium`` the first whose score lies in the share, or the one nearest to its
        middle where none does.
    """
    k = int(scores.max(0).argmax())
    score = scores[:, k]
    expert = int(score.argmax())
    share = score / score[expert]
    inside = (
        (share >= medium[0]) & (share <= medium[1]) & (np.arange(len(score)) < expert)
    )
    middle = (medium[0] + medium[1]) / 2
    chosen = int(inside.argmax() if inside.any() else np.abs(share - middle).argmin())
    kept = {"expert": expert, "medium": chosen}
    spaced = np.linspace(0, chosen, replay).round().astype(int)
    kept |= {f"replay-{i}": int(c) for i, c in enumerate(np.unique(spaced))}
    return k, kept


def rising(scores: Floats, medium: float, count: int) -> list[int]:
    """Checkpoints whose scores rise in even steps from the random policy's to medium's.

    Policies of a training stand still for long and then leap, so that most of those
    evenly spaced by steps act alike; a mixture of them has no middle.

    Args:
        scores: Return above the random policy's, (checkpoints,).
        medium: The same of the medium checkpoint, > 0.
        count: How many to keep.

    Returns:
        Numbers of checkpoints, each better than the one before and all between random
        and medium: for level i of 1..count the one nearest to i / (count + 1) of
        medium's score; fewer where one is the nearest to several levels.
    """
    between = np.flatnonzero((scores > 0) & (scores < medium))
    if not len(between):
        return []
    levels = medium * np.arange(1, count + 1) / (count + 1)
    nearest = np.abs(scores[between] - levels[:, None]).argmin(1)
    return [int(between[i]) for i in dict.fromkeys(nearest)]


def visited(world: World, policy: Feedforward, k: int, count: int) -> Floats:
    """Observations met while acting, to compare the exported file on.

    Args:
        world: Where to act.
        policy: Of all seeds; acts without noise.
        k: Which seed's slice acts.
        count: How many at most.

    Returns:
        (count, O), units of the world.
    """
    observations: list[Floats] = []

    def act(moment: Moment) -> Actions:
        observations.append(np.asarray(moment.observation, np.float32))
        return act_with(policy, k, moment, np.zeros((len(moment.episode), width)))

    width = policy.action_width
    play(world.make(10), act, range(10))
    return np.concatenate(observations)[:count]
