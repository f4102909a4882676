"""Describe an environment: ``python -m tasks.worlds.engine.describe``.

``--env ID --name NAME`` writes ``params/world/NAME.yaml``, its references measured, and
what a first study needs: ``params/dataset/NAME_random.yaml`` (random actions),
``params/study/NAME.yaml`` and a folder for policies that act there,
``data/behaviors/NAME``. ``--kwargs "key=value ..."`` are for ``gymnasium.make``,
``--policy FILE.onnx`` is an expert whose mean return becomes score 100. What is there
stays; only the world's own file is written again, if it is of the same environment.
"""

import argparse
import math
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.files import write_text
from tasks.artifacts.names import add_name
from tasks.artifacts.params import build, load
from tasks.artifacts.stage import run_stage
from tasks.artifacts.strict_yaml import parse_yaml
from tasks.code import methods
from tasks.worlds import World
from tasks.worlds.__main__ import measure, start
from tasks.worlds.engine.behaviors import (
    BEHAVIORS,
    RANDOM,
    behavior_of,
    open_behavior,
)
from tasks.worlds.engine.describe.texts import first_files, world_file

TARGET = "tasks.worlds.gym.Gym"
EPISODES = 100  # measured
NO_LIMIT = 1000  # steps, where the environment itself has no time limit
PARAMS, STUDIES = Path("params"), Path("params/study")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tasks.worlds.engine.describe")
    parser.add_argument("--env", required=True, help="id of Gymnasium")
    add_name(parser, "--name", required=True, help="of the world")
    parser.add_argument("--kwargs", default="", help='"key=value ..." for the id')
    parser.add_argument("--policy", type=Path, help="an ONNX file with its contract")
    options = parser.parse_args()
    place = PARAMS / "world" / f"{options.name}.yaml"
    check_free(place, options.name, options.env)
    block = described(options.env, options.name, parsed(options.kwargs))
    world: World = build(block, f"world.{options.name}")
    expert = None
    if options.policy and not options.policy.is_file():
        expected, mend = "an ONNX file, its contract beside", "say where it is"
        raise RefusedError(options.policy, "POLICY", "nothing", expected, mend)
    if options.policy:
        expert = behavior_of(options.policy, world, options.policy.stem, 0.0)
    block |= referenced(world, options.policy, expert)
    more = {p: text for p, text in first_files(world).items() if not p.exists()}
    texts = {place: world_file(block, parts_of(world)), **more}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        print(f"wrote {path}")
    print(f"now: make study NAME={options.name}")


def check_free(place: Path, name: str, env: str) -> None:
    """Refuse a name that is another world's, or a class's.

    Args:
        place: Of the world's file.
        name: Of the world.
        env: The environment's id.
    """
    held = "nothing"
    if place.exists():
        there = load(place)
        if there.get("_target_") == TARGET and there.get("env_id") == env:
            return
        held = f"another world, {shown(there.get('env_id'))}"
    elif name in methods("worlds"):
        held = f"the name of tasks/worlds/{name}"
    if held != "nothing":
        mend = "choose another name, or remove the file"
        raise RefusedError(place, "name", held, "a name that is free", mend)


def parsed(text: str) -> dict[str, Any]:
    """Keyword arguments of a command line: ``key=value``, the value as in YAML.

    Args:
        text: Pairs with spaces between; quote what has some inside.

    Raises:
        RefusedError: If a word is no such pair.
    """
    kwargs: dict[str, Any] = {}
    try:
        for word in shlex.split(text):
            key, equals, value = word.partition("=")
            if not equals or not key or key in kwargs:
                raise ValueError(word)
            kwargs[key] = parse_yaml(value)
    except ValueError as error:
        expected, mend = "key=value, each once", "e.g. KWARGS='is_slippery=false'"
        raise RefusedError(
            "KWARGS", "words", shown(str(error)), expected, mend
        ) from None
    return kwargs


def described(env_id: str, name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The block of a world, without its references.

    Args:
        env_id: Gymnasium id.
        name: Of the world.
        kwargs: For ``gymnasium.make``.

    Raises:
        RefusedError: If there is no such id, or the environment cannot be made or has
            spaces that no policy has.
    """
    block = {
        "_target_": TARGET,
        "name": name,
        "env_id": env_id,
        "kwargs": dict(kwargs),
        "max_steps": NO_LIMIT,
        "step_seconds": 1.0,
        "ref_min": 0.0,
        "ref_max": 1.0,
        "measured": "",
    }
    world: Any = build(block, f"world.{name}")
    env = world.single()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit = gymnasium.spec(env_id).max_episode_steps
    rate: Any = (env.metadata or {}).get("render_fps")
    env.close()
    known = isinstance(rate, int | float) and math.isfinite(rate) and rate > 0
    step = float(f"{1 / rate:.6g}") if known else 1.0
    return block | {"max_steps": limit or NO_LIMIT, "step_seconds": step}


def parts_of(world: Any) -> str:
    """The parts of an observation in words, e.g. ``goal 2, observation 4``."""
    return ", ".join(f"{name} {width}" for name, width in world.observes.parts)


def referenced(world: World, policy: Path | None, expert: Any) -> dict[str, Any]:
    """References of a world, and how they were measured.

    Args:
        world: Which.
        policy: The expert's file, None without one.
        expert: The expert as a behaviour.

    Raises:
        RefusedError: If the expert is no better than random actions.
    """
    played = measure(world, open_behavior(BEHAVIORS, world, RANDOM, 1.0), EPISODES)
    low, best = float(played.returns.mean()), float(played.returns.max())
    seeds = f"start seeds {start(0)} to {start(EPISODES - 1)}"
    text = f"ref_min: random actions, {EPISODES} episodes, {seeds}, gymnasium "
    text += f"{gymnasium.__version__}; ref_max: "
    if expert is not None:
        high = float(measure(world, expert, EPISODES).returns.mean())
        text += f"{policy}, the same episodes"
        if not high > low:
            found, expected = f"a mean return of {high:.6g}", f"more than {low:.6g}"
            mend = "that is random actions' return; take a better policy, or none"
            raise RefusedError(policy, "policy", found, expected, mend)
    elif best > low:
        high, more = best, "the best of these episodes"
        text += f"no policy was given, score 100 is {more}"
    else:
        high = low + max(1.0, abs(low))
        text += "no policy was given and no random episode was better, score 100 is "
        text += "a return better by 1 or by its own size"
    ends = {"ref_min": float(f"{low:.6g}"), "ref_max": float(f"{high:.6g}")}
    title = world.params.env_id
    print(f"{title}: random actions return {low:.6g}, score 100 is {high:.6g}")
    return ends | {"measured": text}


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
