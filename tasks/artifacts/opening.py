"""Opening a dataset: its card and its metadata, and whether its HDF5 is still that."""

from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.hashes import remembered_sha256
from tasks.artifacts.recorded import check_episodes, maker_of
from tasks.artifacts.sealed import read_sealed

MAIN, METADATA = Path("data/main_data.hdf5"), Path("data/metadata.json")
STATED = "metadata_sha256"  # in card.json


def check_card(folder: Path, *, opens_main: bool) -> tuple[dict[str, Any], str]:
    """Read card.json of a dataset nobody has changed.

    Args:
        folder: The dataset.
        opens_main: Whether main_data.hdf5 is read now. Then its hash is computed, else
            one that was computed since the file last changed will do.

    Returns:
        The card, and the command that makes the dataset.

    Raises:
        RefusedError: If a file is missing, has another hash than the card says, the
            card itself included, or another id than the folder.
    """
    check_episodes(folder)
    command = maker_of(folder)
    figures = read_sealed(folder / "card.json", command)
    hash_main = sha256 if opens_main else remembered_sha256
    for part, key, compute in ((MAIN, "sha256", hash_main), (METADATA, STATED, sha256)):
        path, stated = folder / part, figures.get(key, "a hash")
        stored = compute(path) if path.exists() else "nothing"
        if stored != stated:
            mend = f"make it again with: {command}"
            raise RefusedError(path, "sha256", stored, stated, mend)
    _check_id(folder, "card.json", figures)
    return figures, command


def open_dataset(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read card.json and metadata.json of a dataset whose HDF5 is read next.

    Raises:
        RefusedError: As :func:`check_card`, or if the metadata has another id or no
            number of episodes.
    """
    figures, command = check_card(folder, opens_main=True)
    metadata: dict[str, Any] = read_json(folder / METADATA, command, dict)
    _check_id(folder, str(METADATA), metadata)
    count = metadata.get("total_episodes")
    if type(count) is not int or count < 1:
        mend = f"make it again with: {command}"
        where, expected = folder / METADATA, "a whole number above 0"
        raise RefusedError(where, "total_episodes", f"{count!r:.80}", expected, mend)
    return figures, metadata


def _check_id(folder: Path, file: str, content: dict[str, Any]) -> None:
    """Refuse a file that speaks of another dataset than its folder."""
    stated, mend = content.get("dataset_id"), "name the folder like the dataset"
    if stated != folder.name:
        raise RefusedError(folder / file, "dataset_id", stated, folder.name, mend)
