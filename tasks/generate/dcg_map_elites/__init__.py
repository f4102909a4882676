"""DCG-MAP-Elites: an archive of policies, and one policy that is told which to be.

Paper: Faldor, Chalumeau, Flageat & Cully 2023, "MAP-Elites with Descriptor-Conditioned
Gradients and Archive Distillation into a Single Policy" (GECCO, arXiv 2303.03832).
Reference: github.com/adaptive-intelligent-robotics/DCG-MAP-Elites, commit 36186ed.

An iteration: ``variation`` children by Iso+LineDD of elites, ``gradient`` children by
policy gradients of a critic that is told each parent's own descriptor, ``injected``
children that are the conditioned actor folded at descriptors of filled cells. All are
evaluated and offered to the archive; their transitions say d' = d (passive). Then the
actor itself plays at ``active`` such descriptors, whose transitions keep the d' that
was commanded. Then critics and actor are trained with rewards S(d, d') r.

| method | conditioned | variation | gradient | injected | active |
|---|---|---|---|---|---|
| DCG-MAP-Elites | yes | 2/5 | 2/5 | 0 | 1/5 |
| the same with actor injection (DCG-MAP-Elites-AI) | yes | 2/5 | 2/5 | 1/5 | 0 |
| PGA-MAP-Elites (Nilsson & Cully 2021) | no | 1/2 | 1/2 less 1 | 1, the actor | 0 |
| MAP-Elites (Mouret & Clune 2015) | no | all | 0 | 0 | 0 |

All spend ``evaluations`` episodes an iteration, the first on random policies. Where no
gradients are asked for, nothing is trained.

What differs from the reference: PyTorch and pyribs' archive; Iso+LineDD and gradients
draw from generators of (seed, iteration) instead of living in pyribs' emitters, so that
a search that was killed goes on as if it had not been; archive policies and actor share
one ``policy_hidden``, so that the actor can be folded into a member of the archive.

With ``fixed_start`` all evaluations begin in one state, and an elite is what it was
measured as. Where starts differ an archive keeps those that were lucky: on swimmer_omni
one random policy ends 0.33 to 0.45 m (deviation) from where it ends on average, whether
starts differ by 0.01 or 0.1, and a cell is 0.25 m wide. The dataset's episodes have a
start each, and its card says how far they end from where the archive says.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, write_text
from tasks.artifacts.params import PARAMS, Range
from tasks.generate import Generator, Progress
from tasks.generate.cores.archive_dataset import ReplayParams, replay
from tasks.generate.dcg_map_elites.conditioned_td3 import Recipe
from tasks.generate.dcg_map_elites.distilled import save_archive, save_distilled, scores
from tasks.generate.dcg_map_elites.search import Search, checkpoint
from tasks.worlds import World


@dataclass(frozen=True)
class DcgMapElitesParams(ReplayParams, Recipe):
    """See params/generate/dcg_map_elites.yaml for units and ranges."""

    fixed_start: bool
    iterations: Annotated[int, Range(1, 100_000)]
    evaluations: Annotated[int, Range(2, 10_000)]
    variation: Annotated[int, Range(0)]
    gradient: Annotated[int, Range(0)]
    injected: Annotated[int, Range(0)]
    active: Annotated[int, Range(0)]
    cells: Annotated[int, Range(2, 100_000)]
    samples: Annotated[int, Range(2)]
    qd_offset: float
    iso_sigma: Annotated[float, Range(0)]
    line_sigma: Annotated[float, Range(0)]
    policy_hidden: Annotated[tuple[int, ...], Range(1)]
    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    buffer: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    training_steps: Annotated[int, Range(1)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]

    def __post_init__(self) -> None:
        """Also check the split, and what makes no sense together."""
        super().__post_init__()
        parts = (self.variation, self.gradient, self.injected, self.active)
        if sum(parts) != self.evaluations:
            raise RefusedError(
                PARAMS,
                "variation + gradient + injected + active",
                " + ".join(map(str, parts)),
                f"a sum of evaluations, {self.evaluations}",
                "every method spends the same episodes an iteration",
            )
        if self.active and not self.conditioned:
            raise RefusedError(
                PARAMS,
                "active",
                self.active,
                "0 where the actor is not conditioned: it cannot be commanded",
                "set active to 0 or conditioned to true",
            )
        if self.samples < self.cells:
            raise RefusedError(
                PARAMS,
                "samples",
                self.samples,
                f"at least as many as cells, {self.cells}",
                "raise samples",
            )
        if not self.policy_hidden or not self.critic_hidden:
            raise RefusedError(
                PARAMS, "hidden", "no layer", "at least one", "name its units"
            )

    @property
    def trains(self) -> bool:
        """Whether there are critics at all."""
        return self.gradient + self.injected + self.active > 0


class DcgMapElites(Generator[DcgMapElitesParams]):
    """See the module."""

    search: Search

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """See :meth:`tasks.generate.Generator.episodes`."""
        p = self.params
        self.search = search = Search(p, world)
        self.checkpoint = checkpoint(p, world)
        search.run(self.checkpoint, progress)
        elites = search.archive.elites()
        made, figures = replay(
            elites,
            search.decode,
            search.arena,
            search.measures,
            p,
            p.seed,
            "dcg_map_elites",
        )
        told: dict[str, Any] = {
            **search.archive.figures(),
            **figures,
            "cells": p.cells,
            "filled": len(elites),
            "cell_width": search.archive.cell_width,
            "descriptor_low": search.measures.low.tolist(),
            "descriptor_high": search.measures.high.tolist(),
            "iterations": p.iterations,
            "evaluations": p.iterations * p.evaluations,
            "added": search.added(),
            "params": json.loads(canonical(vars(p))),
        }
        if search.teacher and p.conditioned:
            told["distilled"] = scores(search, search.teacher)
        self.figures = {"archive": told}
        return made

    def leave(self, folder: Path) -> None:
        """The archive, its log and the conditioned policy, in ``archive/``."""
        place, search = folder / "archive", self.search
        place.mkdir()
        write_text(place / "log.csv", search.log.csv())
        told = self.figures["archive"]
        told["sha256"] = save_archive(place, search.archive)
        if search.teacher and self.params.conditioned:
            save_distilled(place, search, search.teacher, told["sha256"])
