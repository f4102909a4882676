"""Measure checkpoints by playing, and choose the ones that become behaviours."""

import numpy as np
import torch
from gymnasium.spaces import Discrete

from tasks.artifacts.actions import pick_legal
from tasks.nets.feedforward import Feedforward
from tasks.worlds import Actions, Floats, World
from tasks.worlds.engine.episodes import Moment, Played, play


def measure(world: World, policy: Feedforward, k: int, episodes: int) -> Played:
    """Play episodes as the policy will be used: with sampled actions, or greedily."""

    def act(moment: Moment) -> Actions:
        width = policy.action_width
        noise = np.stack([draws[i].standard_normal(width) for i in moment.episode])
        return act_with(policy, k, moment, noise)

    draws = [np.random.default_rng([k, e]) for e in range(episodes)]
    return play(world.make(episodes), act, range(episodes))


def act_with(policy: Feedforward, k: int, moment: Moment, noise: Floats) -> Actions:
    """Actions of seed slice ``k``, in bounds (B, A) or their numbers (B,).

    Args:
        policy: All seeds.
        k: The slice.
        moment: What it sees.
        noise: (B, A), of a gaussian head.
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
    """Play episodes with uniformly random legal actions."""
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
    """Which seed and which checkpoints to keep.

    Args:
        scores: (checkpoints, S), return above the random policy's.
        medium: Smallest and largest share of the expert's score.
        replay: How many checkpoints, evenly spaced from the first to medium.

    Returns:
        The seed's position and checkpoint numbers by name: ``expert`` is the best,
        ``medium`` the first whose score lies in the share, or the one nearest to its
        middle where none does.
    """
    k = int(scores.max(0).argmax())
    mine = scores[:, k]
    expert = int(mine.argmax())
    share = mine / mine[expert]
    inside = (
        (share >= medium[0]) & (share <= medium[1]) & (np.arange(len(mine)) < expert)
    )
    middle = (medium[0] + medium[1]) / 2
    chosen = int(inside.argmax() if inside.any() else np.abs(share - middle).argmin())
    kept = {"expert": expert, "medium": chosen}
    spaced = np.linspace(0, chosen, replay).round().astype(int)
    kept |= {f"replay-{i}": int(c) for i, c in enumerate(np.unique(spaced))}
    return k, kept


def visited(world: World, policy: Feedforward, k: int, count: int) -> Floats:
    """Observations (count, O) met while acting, for the parity gate."""
    seen: list[Floats] = []

    def act(moment: Moment) -> Actions:
        seen.append(np.asarray(moment.observation, np.float32))
        return act_with(policy, k, moment, np.zeros((len(moment.episode), width)))

    width = policy.action_width
    play(world.make(10), act, range(10))
    return np.concatenate(seen)[:count]
