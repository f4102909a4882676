"""Episodes that Minari stored with pyarrow: a folder each, of arrow or parquet files.

T+1 rows, of which the last one's action, reward and flags are padding.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Text
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.hdf5 import RATIO
from tasks.artifacts.minari import READ
from tasks.generate.imported.columns import subspace
from tasks.generate.imported.ends import ended
from tasks.generate.imported.logs import Log, Logs
from tasks.generate.imported.pictures import decoded, is_image

if TYPE_CHECKING:
    import pyarrow

AGAIN = "write it again with Minari"
NEEDED = ("observations", "actions", "rewards", "terminations", "truncations")


def read_arrow(
    folder: Path, storage: str, logs: Logs, jpeg: bool, count: int
) -> Iterator[Log]:
    """Episodes one after the other.

    Args:
        folder: With a folder an episode.
        storage: ``arrow`` or ``parquet``.
        logs: Whose spaces say what is an image; gets notes.
        jpeg: Whether images are JPEG files.
        count: Of episodes.

    Raises:
        RefusedError: If a file is missing, damaged or far larger than it should be.
    """
    for number in range(count):
        place = folder / str(number)
        table = _table(place, storage)
        stated = {}
        if (place / "metadata.json").exists():
            stated = read_json(place / "metadata.json", "minari download ID", dict)
        yield _episode(table, stated, place, logs, jpeg)


def _table(place: Path, storage: str) -> "pyarrow.Table":
    """All rows of an episode."""
    import pyarrow  # it starts a thread
    import pyarrow.dataset

    try:
        files = pyarrow.dataset.dataset(
            str(place),
            format=storage,
            exclude_invalid_files=False,
            ignore_prefixes=["_", ".", "metadata.json"],
        )
        size = sum(Path(file).stat().st_size for file in files.files)
        rows = files.count_rows()
        if rows * sum(map(_bytes, files.schema.types)) > RATIO * size:
            raise ValueError(f"{rows} rows in {size} bytes")
        table = files.to_table(use_threads=False)
        table.validate(full=True)  # offsets and lengths, before they are followed
    except (IndexError, OSError, ValueError, pyarrow.ArrowException) as error:
        found = f"{type(error).__name__}: {error}"
        expected = f"an episode in {storage}"
        raise RefusedError(place, "content", found, expected, AGAIN) from None
    for name in NEEDED:
        if name not in table.column_names:
            raise RefusedError(place, name, "nothing", "a column", AGAIN)
    return table


def _bytes(kind: Any) -> int:
    """Of a row in memory, as far as the type says; 1 at least."""
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return sum(_bytes(field.type) for field in kind)
    if pyarrow.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _bytes(kind.value_type)
    return max(1, kind.bit_width // 8) if pyarrow.types.is_primitive(kind) else 1


def _episode(
    table: "pyarrow.Table", stated: dict[str, Any], place: Path, logs: Logs, jpeg: bool
) -> Log:
    where, rows = f"episode {place.name}", table.num_rows
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    flags = [
        np.asarray(columns[name].to_numpy(zero_copy_only=False))
        for name in ("terminations", "truncations")
    ]
    # a writer that was given T observations pads nothing: no row may be cut then
    steps = stated.get("total_steps")
    if type(steps) is not int or steps not in (rows - 1, rows):
        steps = rows if any(f[-1:].any() for f in flags) else rows - 1
    observations: dict[str, NDArray[Any]] = {}
    observed = (columns["observations"], "", logs.observation_space)
    _read(observed, observations, place, logs, jpeg)
    acted: dict[str, NDArray[Any]] = {}
    _read((columns["actions"], "", logs.action_space), acted, place, logs, jpeg)
    if set(acted) != {""}:
        found, expected = f"arrays {', '.join(acted)}", "one array"
        raise RefusedError(place, "actions", found, expected, "write one array")
    infos: dict[str, NDArray[Any]] = {}
    if "infos" in columns:
        for number, field in enumerate(columns["infos"].type):
            if field.name in READ:
                part = (columns["infos"].field(number), field.name, None)
                _read(part, infos, place, logs, jpeg=False)
    seed = stated.get("seed")
    return Log(
        observations,
        acted[""][:steps],
        np.asarray(columns["rewards"].to_numpy(zero_copy_only=False))[:steps],
        *ended(flags[0][:steps], flags[1][:steps], place, where),
        infos,
        where,
        seed if type(seed) is int else -1,
    )


def _read(
    column: "tuple[pyarrow.Array, str, Space[Any] | None]",
    values: dict[str, NDArray[Any]],
    place: Path,
    logs: Logs,
    jpeg: bool,
) -> None:
    """Put the arrays of a column into ``values``, by name."""
    import pyarrow

    array, name, whole = column
    kind, space = array.type, subspace(whole, name)
    field = f"column {name}".strip()
    if pyarrow.types.is_struct(kind):
        for number, inner in enumerate(kind):
            below = f"{name}/{inner.name}" if name else inner.name
            _read((array.field(number), below, whole), values, place, logs, jpeg)
    elif jpeg and is_image(space) and pyarrow.types.is_binary(kind):
        shape = getattr(space, "shape", ())
        note = "images were stored as JPEG, which is lossy"
        if note not in logs.notes:
            logs.notes.append(note)
        values[name] = decoded(
            (frame.as_py() or b"" for frame in array), len(array), shape, place, field
        )
    elif pyarrow.types.is_fixed_size_list(kind):
        flat = np.asarray(array.flatten().to_numpy(zero_copy_only=False))
        values[name] = flat.reshape(len(array), kind.list_size)
    elif isinstance(space, Text) or pyarrow.types.is_string(kind):
        note = f"observations: {name or 'observations'}, text, left out"
        if note not in logs.notes:
            logs.notes.append(note)
    elif pyarrow.types.is_primitive(kind):
        values[name] = np.asarray(array.to_numpy(zero_copy_only=False))
    else:
        expected = "numbers, lists of a fixed size, or a struct of them"
        raise RefusedError(place, field, kind, expected, AGAIN)
