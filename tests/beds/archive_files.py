"""A tiny archive beside its dataset, and a bed on it small enough for a test."""

from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.beds.qdc_metrics.design import Design
from tests.beds.harness import bed, block
from tests.generate.archives import small
from tests.generate.test_rollout import quiet
from tests.worlds.harness import load

STEPS = 12  # an episode
FEW = {"resamples": 100, "replayed": 8, "probe_steps": 3, "probe_hidden": [8]}
FEW |= {"steps": 100}
SMALL: dict[str, Any] = {
    "draws": [0],
    "plays": 200,
    "goal_plays": 60,
    "episodes": 12,
    "neighbours": 8,
    "goals": 5,
    "seeds": [4, 7],
    "updates": 3,
    "batch": 16,
    "hidden": [8],
    "metrics": block("qdc_metrics")["metrics"] | FEW,
    "text_seeds": [4, 7],
    "text_rounds": 1,
    "text_lines": 4,
    "text_samples": 60,
    "text_steps": 120,
    "text_more_steps": 2,
    "text_batch": 16,
    "text_rate": 1e-2,
    "text_width": 16,
}


def write_archive(root: Path) -> Path:
    """``datasets/swimmer_archive-v0`` with the archive of a search of 40 episodes."""
    block = yaml.safe_load(Path("params/world/swimmer_omni.yaml").read_text("utf-8"))
    block |= {"max_steps": STEPS}
    world = load("swimmer_omni", max_steps=STEPS)
    arm = {"conditioned": False, "variation": 20, "gradient": 0, "active": 0}
    generator = small(iterations=1, cells=200, samples=200, **arm)
    episodes = generator.episodes(world, quiet)
    folder = root / "datasets/swimmer_archive-v0"
    folder.parent.mkdir(parents=True)
    about, leave = generator.figures, generator.leave
    write_dataset(folder, folder.name, episodes, world, block, about=about, leave=leave)
    return folder


def params(**changed: Any) -> Any:
    """Of the bed, small, some values changed."""
    return bed("qdc_metrics", **(SMALL | changed)).params


def design(**changed: Any) -> Design:
    """Of that bed."""
    made: Design = params(**changed).design(0)
    return made
