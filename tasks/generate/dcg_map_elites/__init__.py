"""DCG-MAP-Elites: an archive of policies, and one conditioned policy that distils it.

Paper: Faldor, Chalumeau, Flageat & Cully 2023, "MAP-Elites with Descriptor-Conditioned
Gradients and Archive Distillation into a Single Policy" (GECCO, arXiv 2303.03832).
Reference: github.com/adaptive-intelligent-robotics/DCG-MAP-Elites, commit 36186ed.

A descriptor is a few numbers that say what an episode did. The archive keeps the best
policy of each cell of descriptors. d is the descriptor an episode was observed to
have, d' the one that was commanded. An iteration:

1. Children: ``variation`` of them by Iso+LineDD of elites x1, x2,
   child = x1 + N(0, iso_sigma² I) + (x2 - x1) n, n ~ N(0, line_sigma²);
   ``gradient`` of them by Adam steps of an elite on -mean Q1(s, π_ψ(s) | d_ψ) at its
   own descriptor d_ψ; ``injected`` of them are the conditioned actor folded at
   descriptors of filled cells. All are evaluated and offered to the archive. Their
   transitions are stored with d' = d (passive samples).
2. The actor itself plays at ``active`` descriptors of filled cells. These transitions
   are stored with the d' that was commanded (active samples).
3. Critics and actor take ``training_steps`` of TD3 with rewards S(d, d') r,
   S(d, d') = exp(-‖d - d'‖ / L); conditioned_td3.py has the losses.

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
    """Units and ranges stand in params/generate/dcg_map_elites.yaml."""

    fixed_start: bool
    iterations: Annotated[int, Range(1, 100_000)]
    evaluations: Annotated[int, Range(2, 10_000)]
    variation: Annotated[int, Range(0, 10**6)]
    gradient: Annotated[int, Range(0, 10**6)]
    injected: Annotated[int, Range(0, 10**6)]
    active: Annotated[int, Range(0, 10**6)]
    cells: Annotated[int, Range(2, 100_000)]
    samples: Annotated[int, Range(2, 10**6)]
    qd_offset: Annotated[float, Range(-1e9, 1e9)]
    iso_sigma: Annotated[float, Range(0, 1e9)]
    line_sigma: Annotated[float, Range(0, 1e9)]
    policy_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    critic_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    buffer: Annotated[int, Range(1, 10**8)]
    batch: Annotated[int, Range(1, 2**20)]
    training_steps: Annotated[int, Range(1, 10**9)]
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
    """Episodes of an archive's elites, once it has been searched for.

    Attributes:
        search: Of the last :meth:`episodes`.
    """

    search: Search

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """Search, then let the elites act; refuses a world without descriptors."""
        p = self.params
        self.search = search = Search(p, world)
        self.checkpoint = checkpoint(p, world)
        search.run(self.checkpoint, progress)
        elites = search.archive.elites()
        episodes, replayed = replay(
            elites,
            search.decode,
            search.arena,
            search.measures,
            p,
            p.seed,
            "dcg_map_elites",
        )
        figures: dict[str, Any] = {
            **search.archive.figures(),
            **replayed,
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
            figures["distilled"] = scores(search, search.teacher)
        self.figures = {"archive": figures}
        return episodes

    def leave(self, folder: Path) -> None:
        """Write the archive, its log and the conditioned policy into ``archive/``."""
        place, search = folder / "archive", self.search
        place.mkdir()
        write_text(place / "log.csv", search.log.csv())
        figures = self.figures["archive"]
        figures["sha256"] = save_archive(place, search.archive)
        if search.teacher and self.params.conditioned:
            save_distilled(place, search, search.teacher, figures["sha256"])
