"""The search of dcg_map_elites: its iterations and its checkpoints.

Shapes: N children, G numbers in a genome, D descriptor.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.episodes import Episode
from tasks.artifacts.files import canonical
from tasks.artifacts.seeding import chance, seed_of, torch_chance
from tasks.code import digest, of_method
from tasks.generate import Progress
from tasks.generate.cores.descriptors import Doubles, Measures
from tasks.generate.cores.policy_batch import Act, Arena, Array, Policies, genes
from tasks.generate.cores.quality_diversity import (
    GRADIENT,
    INJECTED,
    OPERATORS,
    RANDOM,
    VARIATION,
    Archive,
    Counts,
    Elites,
    iso_line,
)
from tasks.generate.dcg_map_elites.buffer import Buffer, Rows
from tasks.generate.dcg_map_elites.conditioned_td3 import Teacher
from tasks.generate.dcg_map_elites.log import Log
from tasks.worlds import World

if TYPE_CHECKING:
    from tasks.generate.dcg_map_elites import DcgMapElitesParams

CHECKPOINTS = Path(".offcut/checkpoints")
CHECKPOINT_SECONDS = 15.0  # at least this long between two checkpoints


class Search:
    """Archive, networks and transitions of one run.

    Args:
        params: Of the method.
        world: One that can ``descriptor``.

    Raises:
        RefusedError: If the world cannot, or pyribs is missing.
    """

    def __init__(self, params: "DcgMapElitesParams", world: World) -> None:
        torch.set_num_threads(1)
        self.params, self.world = params, world
        self.measures = Measures(world)
        slots = min(params.in_flight, params.evaluations)
        self.arena = Arena(world, slots)
        o = (world.observation_space.shape or (1,))[0]
        a, d = world.action_width, len(self.measures.low)
        self.widths = (o, *params.policy_hidden, a)
        self.archive = Archive(
            genes(self.widths),
            d,
            params.cells,
            params.samples,
            seed_of(params.seed, "centroids") % 2**32,  # as k-means takes it
            params.qd_offset,
        )
        self.log, self.done = Log(), 0
        self.teacher: Teacher | None = None
        if params.trains:
            hidden = params.policy_hidden, params.critic_hidden
            self.teacher = Teacher(params, params.seed, (o, a, d), *hidden)
            widths = (o, a, 1, o, 1, 1, d, d)
            self.buffer = Buffer(params.buffer, widths, params.batch)

    def decode(self, genomes: Array) -> Act:
        """Policies of genomes (n, G)."""
        return Policies.of(genomes, self.widths).act

    def run(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Search to the end, from the checkpoint's state if there is one."""
        self.resume(checkpoint)
        saved = time.monotonic()
        while self.done < self.params.iterations:
            self.iterate()
            words = f"coverage {self.archive.figures()['coverage']:.3f}"
            progress(self.done / self.params.iterations, words)
            last = self.done == self.params.iterations
            if last or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                checkpoint.save(self.done, self.tensors(), Log.columns)
                saved = time.monotonic()

    def iterate(self) -> None:
        """Do one iteration: evaluate children, offer them to the archive, train."""
        p, now = self.params, self.done
        genomes, operator = self.children()
        seeds = self.starts(now, range(p.evaluations))
        played = self.arena.play(
            lambda part: self.decode(genomes[part]), seeds[: len(genomes)], "search"
        )
        reached = self.measures.of(played)
        returns = np.array([episode.ret for episode in played])
        status = self.archive.add(genomes, returns, reached, now, operator)
        losses = (np.nan, np.nan)
        if self.teacher is not None:
            self.store(played, reached, reached)
            if p.active and now:
                self.active_rollouts(self.teacher, seeds[len(genomes) :])
            losses = self.train(self.teacher)
        added = [((status > 0) & (operator == k)).sum() for k in range(len(OPERATORS))]
        figures = self.archive.figures().values()
        spent = (now + 1) * p.evaluations
        self.log.rows.append([now, spent, *figures, *map(int, added), *losses])
        self.done += 1

    def starts(self, word: object, numbers: Iterable[int]) -> list[int]:
        """Start seeds of some episodes; all the same with ``fixed_start``.

        Args:
            word: What the episodes are for, or their iteration.
            numbers: Of the episodes.
        """
        p = self.params
        same = seed_of(p.seed, "start")
        return [same if p.fixed_start else seed_of(p.seed, word, k) for k in numbers]

    def children(self) -> tuple[Array, Counts]:
        """Genomes (N, G) of this iteration, and which operator made each, (N,)."""
        p, now = self.params, self.done
        if not now:
            luck = torch_chance(p.seed, "random policies")
            first = Policies.random(p.evaluations, self.widths, luck)
            return first.genomes(), np.full(p.evaluations, RANDOM)
        elites = self.archive.elites()
        draw = chance(p.seed, "variation", now)
        genomes = [iso_line(elites, p.variation, p.iso_sigma, p.line_sigma, draw)]
        if self.teacher is not None and p.gradient:
            genomes.append(self.gradient_children(self.teacher, elites))
        if self.teacher is not None and p.injected:
            aims = self.aims("injected", p.injected, elites)
            genomes.append(self.teacher.folded(aims))
        kinds = (VARIATION, GRADIENT, INJECTED)
        counts = (p.variation, p.gradient, p.injected)
        return np.concatenate(genomes), np.repeat(kinds, counts)

    def gradient_children(self, teacher: Teacher, elites: Elites) -> Array:
        """Children (N, G) by policy gradients, at the parents' own descriptors."""
        p, now = self.params, self.done
        parents = chance(p.seed, "parents", now).integers(0, len(elites), p.gradient)
        draw = torch_chance(p.seed, "gradient", now)
        places = self.buffer.sample(p.gradient_steps, p.batch, draw)
        states = self.buffer.take(places.flatten()).observation
        return teacher.improve(
            elites.genome[parents],
            torch.from_numpy(elites.measures[parents].astype(np.float32)),
            states.view(p.gradient_steps, p.batch, -1),
        )

    def aims(self, word: str, count: int, elites: Elites) -> Array:
        """Descriptors (count, D) of filled cells, drawn evenly."""
        rows = chance(self.params.seed, word, self.done).integers(0, len(elites), count)
        return elites.measures[rows].astype(np.float32)

    def active_rollouts(self, teacher: Teacher, seeds: Sequence[int]) -> None:
        """Let the actor play at commanded descriptors, once each, and store that."""
        aims = self.aims("active", len(seeds), self.archive.elites())

        def act(part: slice) -> Act:
            return lambda observation: teacher.act(observation, aims[part])

        played = self.arena.play(act, seeds, "actor")
        self.store(played, self.measures.of(played), aims)

    def store(
        self, played: Sequence[Episode], reached: Doubles, commanded: Doubles | Array
    ) -> None:
        """Append the transitions of episodes to the buffer.

        Args:
            played: N episodes.
            reached: Their observed descriptors d, (N, D).
            commanded: Those they were commanded to reach, d', (N, D).
        """
        space = self.arena.space
        middle, half = (space.high + space.low) / 2, (space.high - space.low) / 2
        lengths = [len(episode) for episode in played]
        names = ("rewards", "terminations", "truncations")
        flat = {n: np.concatenate([getattr(e, n) for e in played]) for n in names}
        rows = Rows.of(
            observation=np.concatenate([e.observations[:-1] for e in played]),
            action=(np.concatenate([e.actions for e in played]) - middle) / half,
            reward=flat["rewards"],
            after=np.concatenate([e.observations[1:] for e in played]),
            terminated=flat["terminations"],
            truncated=flat["truncations"],
            observed=np.repeat(reached, lengths, axis=0),
            commanded=np.repeat(commanded, lengths, axis=0),
        )
        self.buffer.append(rows)

    def train(self, teacher: Teacher) -> tuple[float, float]:
        """Do the TD3 steps of an iteration; mean losses of critics and actor."""
        p = self.params
        draw = torch_chance(p.seed, "training", self.done)
        places = self.buffer.sample(p.training_steps, p.batch, draw)
        shape = (p.batch, self.world.action_width)
        losses = [
            teacher.update(self.buffer.take(at), torch.randn(shape, generator=draw))
            for at in places
        ]
        critic, actor = np.array(losses).T
        moved = actor[~np.isnan(actor)]
        return float(critic.mean()), float(moved.mean() if len(moved) else np.nan)

    def added(self) -> dict[str, int]:
        """How many children of each operator entered the archive, in all."""
        return {name: int(self.log.total(f"added_{name}")) for name in OPERATORS}

    def tensors(self) -> dict[str, Tensor]:
        """The full state, for a checkpoint."""
        state = {f"elites.{k}": v for k, v in self.archive.elites().tensors().items()}
        state["log"] = torch.tensor(self.log.rows, dtype=torch.float64)
        if self.teacher is not None:
            state |= {f"teacher.{k}": v for k, v in self.teacher.tensors().items()}
            state["buffer.rows"] = self.buffer.rows[: self.buffer.size]
            state["buffer.at"] = torch.tensor(self.buffer.at)
        return state

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint, if there is one."""
        kept = checkpoint.load()
        if kept is None:
            return
        state, self.done = kept.tensors, kept.step
        self.archive.restore(Elites.of(_under(state, "elites.")))
        self.log.rows = state["log"].tolist()
        if self.teacher is not None:
            self.teacher.restore(_under(state, "teacher."))
            rows = state["buffer.rows"]
            self.buffer.rows[: len(rows)] = rows
            self.buffer.size, self.buffer.at = len(rows), int(state["buffer.at"])


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def identity(params: "DcgMapElitesParams", world: World) -> str:
    """Hash of all that determines a search: parameters, world, code and versions.

    It names a checkpoint's folder, so that no other search goes on from there.
    """
    code = of_method("generate", "dcg_map_elites")
    code |= of_method("worlds", world.params.name)
    whole = {
        "params": vars(params),
        "world": vars(world.params),
        "code": digest(code),
        "versions": [torch.__version__, np.__version__],
    }
    return hashlib.sha256(canonical(whole).encode()).hexdigest()


def checkpoint(params: "DcgMapElitesParams", world: World) -> Checkpoint:
    """Where the state of a search with these parameters is kept."""
    return Checkpoint(CHECKPOINTS / identity(params, world))
