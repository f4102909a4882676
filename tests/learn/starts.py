"""Policies for online learners to begin from, as the stage ``train`` leaves them."""

from pathlib import Path
from typing import Any

from tasks.artifacts.params import build
from tasks.artifacts.policy import save_critic, save_policy
from tasks.learn.engine.parts import spaces
from tasks.train import Spaces
from tasks.worlds import World
from tests.train import harness

PLACE = Path("data/policies/tiny")


def offline(
    name: str, world: World, mean: float = 0.0, std: float = 1.0, **block: Any
) -> Any:
    """Leave an untrained policy of seeds 3 and 1, with its critics if it has some.

    Args:
        name: Of the learner.
        world: Whose spaces.
        mean: Of each column of observations, which the policy takes off.
        std: Their deviation.
        **block: What differs from the learner's own parameters.

    Returns:
        The learner.
    """
    of = spaces(world)
    about: dict[str, Any] = {**vars(of)}
    about["observation_mean"] = 0 * of.observation_mean + mean
    about["observation_std"] = 0 * of.observation_std + std
    asked = harness.block(name, **block)
    more = {"spaces": Spaces(**about), "seeds": (3, 1), "updates": 1}
    learner: Any = build(asked, f"train.{name}", **more)
    folder = PLACE / name
    folder.mkdir(parents=True)
    origin = {
        "seeds": [3, 1],
        "learner": name,
        "dataset": "tiny",
        "dataset_sha256": "ab" * 32,
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.05,
        "made_by": [{"method": f"train.{name}"}],
    }
    save_policy(folder, learner.policy(), origin)
    if critic := learner.critic():
        save_critic(folder, critic, origin)
    return learner
