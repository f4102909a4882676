"""Play a policy in an environment of Gymnasium."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from offcut.errors import RefusedError
from offcut.policy import Policy


def play(
    policy: Policy, episodes: int, seed: int, render: str | None = None
) -> Iterator[tuple[float, int]]:
    """Return and length of episodes, each as soon as it ends.

    The environment is the registered one with its own defaults. A world that Offcut
    changed, e.g. one with masks of legal actions, is refused where that shows in the
    spaces, and else plays without the change.

    Args:
        policy: Opened.
        episodes: How many, one after the other.
        seed: Of the first episode's start and noise; the next one's is one more.
        render: The environment's ``render_mode``, e.g. ``human``.

    Raises:
        RefusedError: If Gymnasium or what the environment needs is not installed, the
            policy's world is none of its registered ids, or the spaces are others.
    """
    env = _made(policy, render)
    for number in range(episodes):
        observation, _ = env.reset(seed=seed + number)
        state = policy.reset(1, seed + number)
        total, steps, ended, reward = 0.0, 0, False, 0.0
        while not ended:
            inputs: dict[str, Any] = {}
            if "reward" in policy.contract["inputs"]:
                inputs["reward"] = [[reward]]
            action, state = policy.act(np.asarray(observation)[None], state, **inputs)
            observation, reward, over, cut, _ = env.step(action[0])
            total, steps, ended = total + float(reward), steps + 1, bool(over or cut)
        yield total, steps
    env.close()


def _made(policy: Policy, render: str | None) -> Any:
    """The environment that the contract names, with spaces that are the policy's."""
    path, name = policy.path, str(policy.contract["env_id"])
    try:
        import gymnasium
    except ImportError:
        mend = "install it with: pip install gymnasium"
        raise RefusedError(
            path, "play", "no gymnasium", "the package gymnasium", mend
        ) from None
    mend = "act with offcut.Policy in a loop of your own"
    if name not in gymnasium.registry:  # an id may name a module to import: none is
        expected = "an id that Gymnasium has registered"
        raise RefusedError(path, "env_id", name, expected, mend)
    try:
        env = gymnasium.make(name, render_mode=render)
    except Exception as error:  # of many kinds, e.g. without MuJoCo
        raise RefusedError(path, name, error, "an environment", mend) from None
    spaces, action = gymnasium.spaces, policy.contract["outputs"]["action"]
    observed = tuple(policy.contract["inputs"]["observation"]["shape"][1:])
    if not isinstance(env.observation_space, spaces.Box) or (
        env.observation_space.shape != observed
    ):
        expected = f"a policy's observation of {observed} numbers"
        raise RefusedError(path, name, env.observation_space, expected, mend)
    if "n" in action:
        fits = env.action_space == spaces.Discrete(action["n"])
    else:
        fits = isinstance(env.action_space, spaces.Box) and (
            env.action_space.shape == (len(action["low"]),)
            and np.allclose(env.action_space.low, action["low"])
            and np.allclose(env.action_space.high, action["high"])
        )
    if not fits:
        raise RefusedError(path, name, env.action_space, "the policy's actions", mend)
    return env
