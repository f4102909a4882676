"""Episodes of all elites of an archive, and where each ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import read_sealed
from tasks.artifacts.seeding import chance
from tasks.beds.qdc_metrics.design import Design
from tasks.generate import Progress
from tasks.generate.cores.archive_dataset import Decode, ReplayParams, replay
from tasks.generate.cores.descriptors import Measures
from tasks.generate.cores.policy_batch import Act, Arena, Array, Policies
from tasks.generate.cores.quality_diversity import Elites
from tasks.worlds import World

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

FEW = 8  # elites that play between two signs of progress
TOGETHER = 64  # sub-environments stepped together; changes speed only


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


def read_elites(folder: Path) -> tuple[Elites, tuple[int, ...]]:
    """The archive beside a dataset, and the hidden widths of its policies.

    Raises:
        RefusedError: If there is none, or its file is not the one the card tells of,
            lacks an array or holds numbers that are not finite.
    """
    made_by = "dvc repro"
    card = read_sealed(folder / "card.json", made_by)
    path = folder / "archive" / "archive.safetensors"
    if "archive" not in card or not path.exists():
        mend = "name a dataset of dcg_map_elites"
        raise RefusedError(folder, "archive", "none", "an archive of policies", mend)
    if sha256(path) != card["archive"]["sha256"]:
        found = "a file that is not the one card.json tells of"
        raise RefusedError(path, "sha256", found, "that one", f"run: {made_by}")
    mend = f"make it again with: {made_by}"
    try:
        arrays = load_file(path)
    except SafetensorError as error:
        raise RefusedError(path, "content", error, "safetensors", mend) from None
    for name in Elites.__dataclass_fields__:
        if name not in arrays or not np.isfinite(arrays[name]).all():
            found = "nothing" if name not in arrays else "a number that is not finite"
            raise RefusedError(path, name, found, "finite numbers", mend)
    elites = Elites(**{name: arrays[name] for name in Elites.__dataclass_fields__})
    return elites, tuple(card["archive"]["params"]["policy_hidden"])


def pools(
    elites: Elites,
    hidden: Sequence[int],
    world: World,
    design: Design,
    progress: Progress = lambda *_: None,
) -> dict[str, Pool]:
    """Let all elites play, as they are (``clean``) and with noise (``noisy``)."""
    measures, arena = Measures(world), Arena(world, TOGETHER)
    inputs = (world.observation_space.shape or (1,))[0]
    widths = (inputs, *hidden, world.action_width)
    plays = ReplayParams(design.plays, 1.0, None, "uniform")
    by_word = {}
    for word, noise in (("clean", 0.0), ("noisy", design.noise)):
        decode = _noisy(widths, noise, chance(design.draw, word))
        seed = design.draw if word == "clean" else design.draw + 1
        episodes: list[Episode] = []
        for first in range(0, len(elites), FEW):
            some = {k: v[first : first + FEW] for k, v in vars(elites).items()}
            part = Elites(**some), decode, arena, measures
            episodes += replay(*part, plays, seed, word)[0]
            share = min(first + FEW, len(elites)) / len(elites)
            progress((share + (word == "noisy")) / 2, word)
        end = np.stack([episode.metadata["measured"] for episode in episodes])
        number = np.arange(len(episodes)) % design.plays  # elite by elite, play by play
        by_word[word] = Pool(
            episodes,
            end,
            sector_of(end, design.sectors),
            number >= design.plays - design.goal_plays,
        )
    arena.batch.close()
    return by_word


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
