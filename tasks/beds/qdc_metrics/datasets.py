"""Nine datasets of one archive: three levels of quality by three of diversity.

Every elite of the archive acts ``plays`` times from starts of its own, and as often
with noise on its actions. An episode belongs to the sector of the plane, seen from
where the swimmer starts, in which it ended; nothing else of it tells where it goes. No
dataset holds an episode that ended in a sector of ``held_out``. What an elite did in
its last ``goal_plays`` plays is in no dataset either: where these episodes ended are
the goals of the tests.

| quality | episodes |
|---|---|
| ``top`` | of the best third by return among their neighbours |
| ``middle`` | of the middle third |
| ``noisy`` | any of the noisy ones |

Returns are compared with those of the ``neighbours`` episodes that ended nearest, as
staying near pays more than going far, and a level of quality shall not be one of
distance. A dataset takes as many episodes of each of its sectors.

Shapes: N episodes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder, write_json
from tasks.artifacts.seeding import chance
from tasks.beds.qdc_metrics.design import QUALITIES, Design
from tasks.beds.qdc_metrics.pool import Counts, Doubles, Pool, pools, read_elites
from tasks.generate import Progress
from tasks.worlds import World

THIRDS = {"top": (2 / 3, 1.1), "middle": (1 / 3, 2 / 3)}  # of the rank, from and below


def ranked(end: Doubles, returns: Doubles, neighbours: int) -> Doubles:
    """Share (N,) of the nearest others by end (N, 2) that returned less."""
    n = len(end)
    count = min(neighbours, n - 1)
    found = np.zeros(n)
    for i in range(n):
        apart = np.linalg.norm(end - end[i], axis=1)
        apart[i] = np.inf
        near = np.argpartition(apart, count - 1)[:count]
        found[i] = (returns[near] < returns[i]).mean()
    return found


def rows_of(pools: Mapping[str, Pool], design: Design) -> dict[str, Counts]:
    """Which episodes each dataset holds, by its name; of its quality's pool.

    Raises:
        RefusedError: If a sector has too few.
    """
    clean = pools["clean"]
    kept = np.flatnonzero(~clean.spare)
    rank = np.full(len(clean.end), np.nan)
    rank[kept] = ranked(clean.end[kept], clean.returns[kept], design.neighbours)
    found: dict[str, Counts] = {}
    for quality in QUALITIES:
        pool = pools["noisy" if quality == "noisy" else "clean"]
        fits = ~pool.spare
        if quality in THIRDS:
            low, high = THIRDS[quality]
            fits &= (low <= rank) & (rank < high)  # a spare one's is NaN
        for name, own in design.diversities.items():
            rows = [
                _drawn(fits, pool.sector, sector, f"{quality}_{name}", design)
                for sector in own
            ]
            found[f"{quality}_{name}"] = np.concatenate(rows)
    return found


def _drawn(
    fits: NDArray[np.bool_], sector: Counts, number: int, name: str, design: Design
) -> Counts:
    """A dataset's share of one sector; a larger share holds the smaller ones."""
    quality, diversity = name.split("_", 1)
    wanted = design.episodes // len(design.diversities[diversity])
    there = np.flatnonzero(fits & (sector == number))
    if len(there) < wanted:
        raise RefusedError(
            f"dataset {name}",
            f"episodes in sector {number}",
            len(there),
            f"at least {wanted}",
            "raise claim.qdc_metrics.plays, lower episodes, or search longer",
        )
    return chance(design.draw, quality, number).permutation(there)[:wanted]


def goals_of(clean: Pool, design: Design) -> dict[str, Doubles]:
    """Goals (goals, 2) of each test: ``held_out``, and by the levels of diversity.

    Ends of clean episodes that are in no dataset.

    Raises:
        RefusedError: If too few of them ended there.
    """
    found = {}
    for name, own in {**design.diversities, "held_out": design.held_out}.items():
        there = np.flatnonzero(clean.spare & np.isin(clean.sector, own))
        if len(there) < design.goals:
            raise RefusedError(
                f"goals of {name}",
                "episodes that ended there",
                len(there),
                f"at least {design.goals}",
                "raise claim.qdc_metrics.goal_plays or lower goals",
            )
        draw = chance(design.draw, "goals", name)
        found[name] = clean.end[draw.choice(there, design.goals, replace=False)]
    return found


def write_datasets(
    folder: Path,
    archive: Path,
    world: World,
    block: Mapping[str, Any],
    design: Design,
    progress: Progress = lambda *_: None,
) -> None:
    """Make ``<name>-v0`` of each of the nine and ``goals.json`` in a new folder.

    Args:
        folder: Is there whole or not at all.
        archive: The dataset the archive lies beside.
        world: Where its episodes were made.
        block: Its parameters.
        design: What is made.
        progress: Called as the elites play.
    """
    elites, hidden = read_elites(archive)
    made = pools(elites, hidden, world, design, progress)
    chosen, goals = rows_of(made, design), goals_of(made["clean"], design)
    with whole_folder(folder) as temporary:
        for name, rows in chosen.items():
            pool = made["noisy" if name.startswith("noisy") else "clean"]
            episodes = [pool.episodes[int(row)] for row in rows]
            place = temporary / f"{name}-v0"
            write_dataset(place, place.name, episodes, world, block)
        told = {name: ends.tolist() for name, ends in goals.items()}
        write_json(temporary / "goals.json", told)
