"""A tiny archive beside its dataset, and a claim on it small enough for a test."""

from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.params import build
from tasks.beds.qdc_metrics.design import Design
from tasks.claims.qdc_metrics import QdcClaim
from tests.generate.archives import small
from tests.generate.test_rollout import quiet
from tests.worlds.harness import load

STEPS = 12  # an episode
SMALL: dict[str, Any] = {
    "plays": 200,
    "goal_plays": 60,
    "episodes": 12,
    "neighbours": 8,
    "goals": 5,
    "seeds": [4, 7],
    "updates": 3,
    "batch": 16,
    "hidden": [8],
    "resamples": 100,
    "processes": 1,
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


def claim(**changed: Any) -> QdcClaim:
    """The claim of params, small, some values changed."""
    text = Path("params/claims/qdc_metrics.yaml").read_text("utf-8")
    made: QdcClaim = build(yaml.safe_load(text) | SMALL | changed, "claim.qdc_metrics")
    return made


def design(**changed: Any) -> Design:
    """Of that claim."""
    return claim(**changed).params.design()


def report() -> dict[str, Any]:
    """The block ``report`` of a study that measures little."""
    text = Path("params/measure/qdc_metrics.yaml").read_text("utf-8")
    few = {"resamples": 100, "replayed": 8, "probe_steps": 3, "probe_hidden": [8]}
    return {"qdc_metrics": yaml.safe_load(text) | few | {"steps": 100}}
