"""A LeRobot dataset of version 3.0: all frames in one parquet file, no videos."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from tasks.artifacts.files import write_json
from tasks.generate.engine.exporting.whole import Whole, padded

CHUNK = Path("chunk-000/file-000.parquet")
INFOS = ("legal", "log_prob")  # that stages read


def write_lerobot(folder: Path, data: Whole) -> tuple[list[str], list[str]]:
    """Write meta/ and data/.

    An episode of T steps has T+1 frames, so that its last observation is one. Of that
    frame the action is the one before it again and the reward 0; ``next.success`` says
    that the task ended.

    Args:
        folder: Empty.
        data: The dataset.

    Returns:
        What of it the format does not hold, and the infos that an import reads back.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    infos = [name for name in INFOS if name in data.infos]
    lengths = np.array([len(episode) + 1 for episode in data.episodes])
    stops = np.cumsum(lengths)
    rate = _rate(data.step_seconds)
    frames = _frames(data, lengths, rate, infos)
    features = {name: _feature(values) for name, values in frames.items()}
    table = pa.table({name: _column(values) for name, values in frames.items()})
    task = data.name
    zeros = np.zeros(len(lengths), np.int64)
    episodes = {
        "episode_index": np.arange(len(lengths)),
        "tasks": [[task]] * len(lengths),
        "length": lengths,
        "dataset_from_index": stops - lengths,
        "dataset_to_index": stops,
        **dict.fromkeys(("data/chunk_index", "data/file_index"), zeros),
        "meta/episodes/chunk_index": zeros,
        "meta/episodes/file_index": zeros,
    }
    for place in ("data", "meta/episodes"):
        (folder / place / CHUNK.parent).mkdir(parents=True)
    parquet.write_table(table, folder / "data" / CHUNK)
    parquet.write_table(pa.table(episodes), folder / "meta/episodes" / CHUNK)
    tasks = pd.DataFrame({"task_index": [0]}, index=pd.Index([task], name="task"))
    tasks.to_parquet(folder / "meta/tasks.parquet")
    stats = {name: _statistics(values) for name, values in frames.items()}
    write_json(folder / "meta/stats.json", stats)
    info = {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": len(lengths),
        "total_frames": int(stops[-1]),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": rate,
        "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": features,
    }
    write_json(folder / "meta/info.json", info)
    return [*data.lost(*infos), *data.flattened()], infos


def _rate(step_seconds: float) -> float | int:
    """Frames a second, whole where they nearly are."""
    rate = 1 / step_seconds
    whole = round(rate)
    return whole if whole and abs(rate / whole - 1) < 1e-9 else rate


def _frames(
    data: Whole, lengths: NDArray[Any], rate: float, infos: list[str]
) -> dict[str, NDArray[Any]]:
    """Columns of all frames, (N + E, ...) each."""
    count, last = int(lengths.sum()), np.cumsum(lengths) - 1
    place = np.concatenate([np.arange(length) for length in lengths])
    ended = np.zeros(count, bool)
    ended[last] = [bool(episode.terminations[-1]) for episode in data.episodes]
    done = np.zeros(count, bool)
    done[last] = True
    rewards = data.steps(lambda e: padded(e.rewards, 0.0))
    short = rewards.astype(np.float32)
    actions = data.steps(lambda e: padded(e.actions))
    if not isinstance(data.space, Discrete):
        actions = actions.reshape(count, -1)
    return {
        "observation.state": data.steps(lambda e: e.observations).reshape(count, -1),
        "action": actions,
        "next.reward": short if (short == rewards).all() else rewards,
        "next.done": done,
        "next.success": ended,
        **{name: data.info(name) for name in infos},
        "timestamp": (place / rate).astype(np.float32),
        "frame_index": place,
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "index": np.arange(count),
        "task_index": np.zeros(count, np.int64),
    }


def _feature(values: NDArray[Any]) -> dict[str, Any]:
    """What info.json says of a column."""
    shape = list(values.shape[1:]) or [1]
    return {"dtype": str(values.dtype), "shape": shape, "names": None}


def _column(values: NDArray[Any]) -> Any:
    """A column of numbers, or of lists of one length."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values).ravel())
    width = int(np.prod(values.shape[1:], dtype=int))
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def _statistics(values: NDArray[Any]) -> dict[str, list[float]]:
    """What stats.json says of a column."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    return {
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
        "mean": rows.mean(axis=0).tolist(),
        "std": rows.std(axis=0).tolist(),
        "count": [len(rows)],
    }
