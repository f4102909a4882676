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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256, whole_folder, write_json
from tasks.artifacts.params import PARAMS
from tasks.generate._archive import Decode, ReplayParams, replay
from tasks.generate._measures import Measures, chance
from tasks.generate._policies import Act, Arena, Array, Policies
from tasks.generate._qd import Elites
from tasks.worlds import World

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

QUALITIES = ("top", "middle", "noisy")
TOGETHER = 64  # sub-environments stepped together; changes speed only
THIRDS = {"top": (2 / 3, 1.1), "middle": (1 / 3, 2 / 3)}  # of the rank, from and below


@dataclass(frozen=True)
class Design:
    """See params/claims/qdc_metrics.yaml for units and ranges."""

    sectors: int
    held_out: tuple[int, ...]
    diversities: Mapping[str, tuple[int, ...]]
    plays: int
    goal_plays: int
    noise: float
    neighbours: int
    episodes: int
    goals: int
    draw: int

    @property
    def names(self) -> list[str]:
        """Of the nine datasets."""
        return [f"{q}_{d}" for q in QUALITIES for d in self.diversities]

    def check(self) -> None:
        """Refuse a design that is none.

        Raises:
            RefusedError: If a sector is held out and used, if there is none of that
                number, if episodes cannot be shared evenly, or no play is left.
        """

        def refused(
            field: str, found: object, expected: str, mend: str
        ) -> RefusedError:
            return RefusedError(
                PARAMS, f"claim.qdc_metrics.{field}", found, expected, mend
            )

        for name, own in self.diversities.items():
            field = f"diversities.{name}"
            if not own or not set(own) < set(range(self.sectors)):
                expected = f"some numbers below {self.sectors}"
                raise refused(field, list(own), expected, "name sectors there are")
            if both := set(own) & set(self.held_out):
                mend = "take them off one list"
                raise refused(field, sorted(both), "none that is held out", mend)
            if self.episodes % len(own):
                expected = f"a multiple of {len(own)}, its sectors"
                raise refused("episodes", self.episodes, expected, "change episodes")
        if not self.held_out:
            raise refused("held_out", "none", "at least one sector", "name one")
        if self.goal_plays >= self.plays:
            expected = f"fewer than plays, {self.plays}"
            raise refused("goal_plays", self.goal_plays, expected, "raise plays")


@dataclass(frozen=True)
class Pool:
    """Episodes of all elites.

    Attributes:
        episodes: N of them.
        end: (N, 2), where each ended, m.
        sector: (N,), see :func:`sector_of`.
        spare: (N,), whether its end may be a goal; it is then in no dataset.
    """

    episodes: Sequence[Episode]
    end: Doubles
    sector: Counts
    spare: NDArray[np.bool_]

    @property
    def returns(self) -> Doubles:
        """(N,), units of the world."""
        return np.array([episode.ret for episode in self.episodes])


def sector_of(end: Doubles, sectors: int) -> Counts:
    """Number (N,) of the sector that ends (N, 2) lie in; 0 begins at the x axis."""
    turn = np.arctan2(end[:, 1], end[:, 0]) / (2 * np.pi) % 1
    return np.minimum((turn * sectors).astype(np.int64), sectors - 1)


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


def read_elites(folder: Path) -> tuple[Elites, tuple[int, ...]]:
    """The archive beside a dataset, and the hidden widths of its policies.

    Raises:
        RefusedError: If there is none, or its file is not the one the card tells of.
    """
    made_by = "dvc repro"
    card = read_json(folder / "card.json", made_by)
    path = folder / "archive" / "archive.safetensors"
    if "archive" not in card or not path.exists():
        mend = "name a dataset of dcg_map_elites"
        raise RefusedError(folder, "archive", "none", "an archive of policies", mend)
    if sha256(path) != card["archive"]["sha256"]:
        found = "a file that is not the one card.json tells of"
        raise RefusedError(path, "sha256", found, "that one", f"run: {made_by}")
    told = load_file(path)
    elites = Elites(**{name: told[name] for name in Elites.__dataclass_fields__})
    return elites, tuple(card["archive"]["params"]["policy_hidden"])


def pools(
    elites: Elites, hidden: Sequence[int], world: World, design: Design
) -> dict[str, Pool]:
    """Let all elites play: ``clean`` and ``noisy``."""
    measures, arena = Measures(world), Arena(world, TOGETHER)
    inputs = (world.observation_space.shape or (1,))[0]
    widths = (inputs, *hidden, world.action_width)
    told = ReplayParams(design.plays, 1.0, None, "uniform")
    made = {}
    for word, noise in (("clean", 0.0), ("noisy", design.noise)):
        decode = _noisy(widths, noise, chance(design.draw, word))
        seed = design.draw if word == "clean" else design.draw + 1
        found, _ = replay(elites, decode, arena, measures, told, seed, word)
        end = np.stack([episode.metadata["measured"] for episode in found])
        number = np.arange(len(found)) % design.plays  # elite by elite, play by play
        made[word] = Pool(
            found,
            end,
            sector_of(end, design.sectors),
            number >= design.plays - design.goal_plays,
        )
    arena.batch.close()
    return made


def _noisy(widths: Sequence[int], noise: float, draw: np.random.Generator) -> Decode:
    """Policies of genomes, normal noise on their actions, halves of the range."""

    def decode(genomes: Array) -> Act:
        policies = Policies.of(genomes, widths)

        def act(observation: Array) -> Array:
            action = policies.act(observation)
            shift = draw.standard_normal(action.shape, np.float32)
            return action + np.float32(noise) * shift

        return act

    return decode


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
    folder: Path, archive: Path, world: World, block: Mapping[str, Any], design: Design
) -> None:
    """Make ``<name>-v0`` of each of the nine and ``goals.json`` in a new folder.

    Args:
        folder: Is there whole or not at all.
        archive: The dataset the archive lies beside.
        world: Where its episodes were made.
        block: Its parameters.
        design: What is made.
    """
    elites, hidden = read_elites(archive)
    made = pools(elites, hidden, world, design)
    chosen, goals = rows_of(made, design), goals_of(made["clean"], design)
    with whole_folder(folder) as temporary:
        for name, rows in chosen.items():
            pool = made["noisy" if name.startswith("noisy") else "clean"]
            episodes = [pool.episodes[int(row)] for row in rows]
            place = temporary / f"{name}-v0"
            write_dataset(place, place.name, episodes, world, block)
        told = {name: ends.tolist() for name, ends in goals.items()}
        write_json(temporary / "goals.json", told)
