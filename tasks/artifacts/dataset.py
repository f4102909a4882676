"""Datasets: Minari HDF5 folders, written whole and read without Minari.

    <folder>/data/main_data.hdf5   episodes, as Minari 0.5.4 lays them out
    <folder>/data/metadata.json    spaces, environment, reference scores
    <folder>/rows.bin, rows.json   the transitions once more, to be mapped (packed.py)
    <folder>/card.json             what the dataset holds, and both files' hashes
    <folder>/world.json            the world and the code it was made with
    <folder>/README.md             both for a reader

With ``MINARI_DATASETS_PATH`` set to the folder's parent, ``minari.load_dataset`` and
``recover_environment`` work. Most stages map the rows (rows.py); whoever needs whole
episodes with their infos reads HDF5, without Minari. Nothing is believed before its
hash fits.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.card import card
from tasks.artifacts.dataset_card import described
from tasks.artifacts.episodes import Episode, check_episodes, checked
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import (
    MIN_FREE_BYTES,
    sha256,
    whole_folder,
    write_json,
    write_text,
)
from tasks.artifacts.minari import actions, box, read_episodes, write_episodes
from tasks.artifacts.opening import MAIN, METADATA, STATED, open_dataset
from tasks.artifacts.packed import layout, plan, write_rows
from tasks.artifacts.precision import check_precision
from tasks.artifacts.recorded import read_world, write_world
from tasks.artifacts.sealed import sealed

if TYPE_CHECKING:
    from tasks.worlds import World

__all__ = [
    "Episode",
    "check_episodes",
    "check_id",
    "load_episodes",
    "write_dataset",
]

ID = re.compile(r"^([-_\w][-_\w/]*[-_\w]+/)?[-_\w]+-v\d+$", re.ASCII)


def check_id(folder: Path, dataset_id: str) -> None:
    """Refuse an id Minari could not read back, or that is not the folder's name.

    Args:
        folder: Where the dataset goes.
        dataset_id: With version, e.g. ``hopper_medium-v0``.

    Raises:
        RefusedError: Before anything is created.
    """
    if not ID.match(dataset_id):
        form = "letters, digits, - and _, ending in -v and a number"
        mend = "name it like hopper-medium-v0"
        raise RefusedError(folder, "dataset_id", repr(dataset_id), form, mend)
    if not f"/{folder.absolute().as_posix()}".endswith(f"/{dataset_id}"):
        raise RefusedError(
            folder, "dataset_id", dataset_id, folder.name, "name both the same"
        )


def write_dataset(
    folder: Path,
    dataset_id: str,
    episodes: Sequence[Episode],
    world: "World",
    world_block: Mapping[str, Any],
    description: str = "",
    about: Mapping[str, Any] | None = None,
    leave: Callable[[Path], None] = lambda _: None,
    made_by: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Check episodes and write them with card.json, world.json and README.md.

    The same episodes give the same bytes in every file.

    Args:
        folder: Where it goes; its path ends in ``dataset_id``.
        dataset_id: With version, e.g. ``hopper_medium-v0``.
        episodes: In the order they shall have.
        world: Where they were made.
        world_block: Its block of params.yaml, for world.json.
        description: How they were made, in words.
        about: More for the card.
        leave: Called with the new folder, to put further files into.
        made_by: The methods that had a part in it, the world first, as
            ``tasks.code.made_by`` gives them; none for data that no stage reads.

    Returns:
        The card.

    Raises:
        RefusedError: If the id or an episode is refused, or the disk is; then nothing
            is left.
    """
    check_id(folder, dataset_id)
    check_episodes(episodes, world.observation_space, world.action_space, dataset_id)
    check_precision(episodes, dataset_id)
    spaces = world.observation_space, world.action_space
    need = MIN_FREE_BYTES + 2 * sum(episode.nbytes for episode in episodes)
    need += layout(*plan(episodes, *spaces))[1]
    with whole_folder(folder, need) as temporary:
        write_episodes(temporary, dataset_id, episodes, world, description)
        main = sha256(temporary / MAIN)
        write_rows(temporary, dataset_id, main, episodes, *spaces)
        figures = card(dataset_id, episodes, world, main)
        leave(temporary)
        figures |= about or {}
        figures = sealed({**figures, STATED: sha256(temporary / METADATA)})
        write_json(temporary / "card.json", figures)
        write_world(temporary, world_block, world.step_seconds, made_by)
        text = described(figures, world, made_by, description)
        write_text(temporary / "README.md", text)
    return figures


def load_episodes(folder: Path) -> tuple[list[Episode], dict[str, Any]]:
    """Read all episodes of a dataset with all their infos.

    Returns:
        The episodes, checked, and the world's block of params.yaml.

    Raises:
        RefusedError: If a file is missing, its hash is not the card's, the id is not
            the folder's, or an episode is refused.
    """
    _, metadata = open_dataset(folder)
    spaces = box(folder, metadata, "observation_space"), actions(folder, metadata)
    stored = read_episodes(folder / MAIN, int(metadata["total_episodes"]), names=None)
    block = dict(read_world(folder)["world"])
    return list(checked(stored, *spaces, folder / MAIN)), block
