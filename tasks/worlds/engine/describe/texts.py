"""Files of a world just described, with comments, from the templates beside."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

from tasks.worlds import World
from tasks.worlds.engine.behaviors import BEHAVIORS

HERE, WIDTH = Path(__file__).parent, 88
DESCRIBED = ("name", "env_id", "max_steps", "step_seconds", "ref_min", "ref_max")


def template(name: str) -> str:
    """A template's text."""
    return (HERE / f"{name}.txt").read_text(encoding="utf-8")


def world_file(block: Mapping[str, Any], parts: str) -> str:
    """Text of params/world/NAME.yaml.

    Args:
        block: Of the world.
        parts: Of its observation, in words.
    """
    kwargs = yaml.safe_dump(block["kwargs"], default_flow_style=True, width=10**6)
    return template("world.yaml").format(
        **{key: block[key] for key in DESCRIBED},
        target=block["_target_"],
        kwargs=kwargs.strip(),
        parts=parts,
        measured=fill(
            block["measured"],
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
        ),
    )


def first_files(world: World) -> dict[Path, str]:
    """Text by path of a dataset, a study and a folder for policies."""
    name = world.params.name
    words = {
        "name": name,
        "title": f"{world.params.env_id} from random actions",
        "learner": "iql" if world.discrete else "td3_bc",
        # random actions may all return the same, which no return range scales
        "more": ", reward_scale: none" if world.discrete else "",
    }
    places = {
        Path(f"params/dataset/{name}_random.yaml"): "dataset.yaml",
        Path(f"params/study/{name}.yaml"): "study.yaml",
        BEHAVIORS / name / "README.md": "readme.md",
    }
    return {path: template(of).format(**words) for path, of in places.items()}
