"""Who learns from the nine datasets: goal-conditioned behaviour cloning, and its tests.

An episode's goal is where it ended (hindsight), x and y in m, two more numbers of every
observation. A test starts the world, tells the policy a goal, and looks how far from it
the episode ends.

What is finished is kept under ``.offcut/claims/qdc_metrics``, by a hash of all it
depends on: the nine datasets as one folder, and what came of each one as a file.

Shapes: S seeds, G goals of a test, O observation.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tasks
from tasks.artifacts.dataset import load_episodes, load_transitions
from tasks.artifacts.files import canonical, read_json, sha256, write_json
from tasks.artifacts.params import build
from tasks.artifacts.progress import Progress
from tasks.artifacts.transitions import STD_FLOOR, Transitions
from tasks.beds.qdc_metrics.datasets import write_datasets
from tasks.beds.qdc_metrics.design import Design
from tasks.beds.qdc_metrics.pool import Doubles
from tasks.generate.cores.descriptors import Measures, seed_of
from tasks.generate.cores.policy_batch import Act, Arena, Array
from tasks.measure.qdc_metrics import QdcMetrics, QdcParams, world_of
from tasks.measure.qdc_metrics.embedding import Yardstick
from tasks.measure.qdc_metrics.figures import blocks
from tasks.measure.qdc_metrics.sample import Source
from tasks.nets.feedforward import Feedforward
from tasks.train.cores.cloning import Cloning, CloningParams
from tasks.train.engine.loop import train
from tasks.train.engine.processes import Report, side_by_side
from tasks.train.engine.table import spaces
from tasks.worlds import World

KEPT = Path(".offcut/claims/qdc_metrics")
MADE_BY = "make claim NAME=qdc_metrics"
# files the numbers depend on, beside parameters, archive and versions
SOURCES = (
    *("claims/_qdc/*.py", "generate/_*.py", "nets/feedforward.py", "nets/layers.py"),
    *("report/_*.py", "train/_*.py", "train/engine.py", "worlds/*.py"),
)


@dataclass(frozen=True)
class Cloned:
    """How is learned and tested; see params/claims/qdc_metrics.yaml."""

    seeds: tuple[int, ...]
    updates: int
    batch: int
    hidden: tuple[int, ...]
    rate: float


@dataclass(frozen=True)
class Bed:
    """What all arms share.

    Attributes:
        archive: The dataset the archive lies beside.
        design: Of the nine datasets.
        cloned: Of who learns.
        metrics: Of what is measured.
        processes: Arms at once, a core each.
    """

    archive: Path
    design: Design
    cloned: Cloned
    metrics: QdcParams
    processes: int

    def run(self) -> dict[str, dict[str, Any]]:
        """Make, measure, learn and test what is not kept yet.

        Returns:
            By dataset: ``metrics``, as a metrics.json; ``id`` and ``ood``, of the tests
            in its own sectors and in the held out ones, what :func:`played` gives.
        """
        self.design.check()
        torch.set_num_threads(1)
        block = read_json(self.archive / "world.json", "dvc repro")["world"]
        world: World = build(block, "world")
        folder = KEPT / self.key("datasets", asdict(self.design))
        names = self.design.names
        whole = [asdict(self.cloned), vars(self.metrics), asdict(self.design)]
        paths = {name: KEPT / f"{self.key(name, whole)}.json" for name in names}
        left = [name for name in names if not paths[name].exists()]
        if left:
            if not folder.exists():
                with Progress("elites play", 1.0, lines=10) as bar:
                    given = self.archive, world, block, self.design
                    write_datasets(folder, *given, progress=bar)
            sources = {name: Source.open(folder / f"{name}-v0") for name in names}
            by = QdcMetrics(self.metrics).yardstick(list(sources.values()))

            def work(i: int, say: Report) -> None:
                source = sources[left[i]]
                told = self.measured(source, by)
                found = self.tested(folder, source.name, world, say)
                write_json(paths[left[i]], {"metrics": told, **found})

            with Progress("goal-conditioned cloning", self.cloned.updates, 20) as bar:
                side_by_side(len(left), work, lambda done, _: bar(done), self.processes)
        return {name: read_json(path, MADE_BY) for name, path in paths.items()}

    def key(self, what: str, params: Any) -> str:
        """Hash of all that something depends on."""
        here = Path(tasks.__path__[0])
        files = sorted(file for one in SOURCES for file in here.glob(one))
        told = {
            "what": what,
            "params": params,
            "archive": sha256(self.archive / "card.json"),
            "sources": [sha256(file) for file in files],
            "versions": [torch.__version__, np.__version__],
        }
        return hashlib.sha256(canonical(told).encode()).hexdigest()[:16]

    def measured(self, source: Source, by: Yardstick) -> dict[str, Any]:
        """A dataset beside the other eight, as metrics.json has it; without a gate."""
        found = QdcMetrics(self.metrics).measure(source, by, world_of(source))
        return {
            "dataset": source.name,
            "world": source.world.get("name"),
            "peers": list(by.peers),
            "episodes": by.n_episodes,
            "steps": by.n_steps,
            "seed": self.metrics.seed,
            "bandwidth": by.bandwidth,
            **blocks(found),
        }

    def tested(
        self, folder: Path, name: str, world: World, say: Report
    ) -> dict[str, Any]:
        """Learn from a dataset, and play for the goals of both tests."""
        c, goals = self.cloned, read_json(folder / "goals.json", MADE_BY)
        policy = cloned(hindsight(folder / f"{name}-v0", world), c, say)
        own = {"id": name.split("_", 1)[1], "ood": "held_out"}
        return {
            kind: played(policy, np.array(goals[where]), world, self.design.draw)
            for kind, where in own.items()
        }


def hindsight(folder: Path, world: World) -> Transitions:
    """A dataset whose observations end with the goal its episode reached, (O + 2,)."""
    data, (episodes, _) = load_transitions(folder), load_episodes(folder)
    measures = Measures(world)
    ends = measures.units(measures.of(episodes))[data.episode].astype(np.float32)

    def joined(one: Array, two: Array) -> Array:
        return np.concatenate([one, two], axis=-1).astype(np.float32)

    return replace(
        data,
        observation=joined(data.observation, ends),
        next_observation=joined(data.next_observation, ends),
        observation_mean=joined(data.observation_mean, ends.mean(0)),
        observation_std=joined(data.observation_std, ends.std(0) + STD_FLOOR),
    )


def cloned(data: Transitions, told: Cloned, say: Report) -> Feedforward:
    """Behaviour cloning as the learner ``bc`` does it, all seeds in one stack."""
    params = CloningParams(actor_hidden=told.hidden, actor_rate=told.rate)
    learner = Cloning(params, spaces(data), told.seeds, told.updates)
    train(learner, data, told.updates, told.batch, report=say)
    policy = learner.policy()
    assert isinstance(policy, Feedforward)  # noqa: S101  # of continuous actions
    return policy


def played(
    policy: Feedforward, goals: Doubles, world: World, seed: int
) -> dict[str, Any]:
    """One episode a seed of the policy and goal.

    Args:
        policy: S of them, told x and y of the goal last.
        goals: (G, 2), m.
        world: Where.
        seed: Goal g begins where every policy's goal g begins.

    Returns:
        ``distance`` from goal to end, m; ``still``, from goal to start; ``return``,
        units of the world; (S, G) each.
    """
    shape, measures = (policy.seeds, len(goals)), Measures(world)
    starts = [seed_of(seed, "test", g) for g in range(len(goals))] * policy.seeds
    wanted = torch.from_numpy(goals).float().expand(policy.seeds, -1, -1)
    arena = Arena(world, len(starts))

    def make(_: slice) -> Act:
        def act(observation: Array) -> Array:
            seen = torch.from_numpy(observation).view(*shape, -1)
            return _acted(policy, torch.cat([seen, wanted], -1))

        return act

    episodes = arena.play(make, starts, "test")
    arena.batch.close()
    end = measures.units(measures.of(episodes)).reshape(*shape, 2)
    start = np.stack([e.infos["qpos"][0, :2] for e in episodes]).reshape(*shape, 2)
    found: Mapping[str, Doubles] = {
        "distance": np.linalg.norm(end - goals, axis=-1),
        "still": np.linalg.norm(start - goals, axis=-1),
        "return": np.array([episode.ret for episode in episodes]).reshape(shape),
    }
    return {name: values.tolist() for name, values in found.items()}


def _acted(policy: Feedforward, seen: Tensor) -> Array:
    """Actions (S * G, A) in [-1, 1] of observations with goals (S, G, O + 2)."""
    with torch.no_grad():
        acted: Array = policy.squashed(policy.normalise(seen)).flatten(0, 1).numpy()
    return acted
