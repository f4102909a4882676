"""CSV with one row a step, and the map that says what its columns are."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from tasks.generate.engine.exporting.whole import Whole

INFOS = ("legal", "log_prob")  # that stages read


def write_csv(folder: Path, data: Whole) -> tuple[list[str], list[str]]:
    """Write ``<name>.csv`` and ``map.yaml``.

    Numbers are written with as many digits as bring back each bit.

    Args:
        folder: Empty.
        data: The dataset.

    Returns:
        What of it the format does not hold, and the infos that an import reads back.
    """
    import pyarrow as pa
    from pyarrow import csv

    lengths = [len(episode) for episode in data.episodes]
    observations = data.episodes[0].observations
    infos = [name for name in INFOS if name in data.infos]
    columns: dict[str, NDArray[Any]] = {
        "episode": np.repeat(np.arange(len(lengths)), lengths),
        "step": np.concatenate([np.arange(length) for length in lengths]),
        **_side("obs", data.steps(lambda e: e.observations[:-1])),
    }
    if isinstance(data.space, Discrete):
        columns["action"] = data.steps(lambda e: e.actions)
    else:
        columns |= _side("action", data.steps(lambda e: e.actions))
    columns |= {
        "reward": data.steps(lambda e: e.rewards),
        "terminated": data.steps(lambda e: e.terminations).astype(np.int8),
        "truncated": data.steps(lambda e: e.truncations).astype(np.int8),
        **_side("next_obs", data.steps(lambda e: e.observations[1:])),
    }
    said: dict[str, Any] = {
        "episode": "episode",
        "step": "step",
        "obs": ["obs_*"],
        "next_obs": ["next_obs_*"],
        "action": {"column": "action", "discrete": True}
        if isinstance(data.space, Discrete)
        else ["action_*"],
        "reward": "reward",
        "terminated": "terminated",
        "truncated": "truncated",
        "dtype": "float32" if observations.dtype == np.float32 else "float64",
    }
    if "legal" in infos:
        columns |= _side("legal", data.info("legal", slice(-1)))
        columns |= _side("next_legal", data.info("legal", slice(1, None)))
        said |= {"infos": {"legal": "legal_*"}, "next_infos": {"legal": "next_legal_*"}}
    if "log_prob" in infos:
        columns["log_prob"] = data.info("log_prob", slice(-1)).ravel()
        said["infos"] = said.get("infos", {}) | {"log_prob": "log_prob"}
    # a float32 as the double that it is: its own fewer digits could round twice
    exact = {
        name: values.astype(np.float64) if values.dtype.kind == "f" else values
        for name, values in columns.items()
    }
    csv.write_csv(pa.table(exact), folder / f"{data.name}.csv")
    text = yaml.safe_dump(said, sort_keys=False)
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    return [*data.lost(*infos), *data.flattened()], infos


def _side(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Rows of numbers as a column each, named by number."""
    flat = values.reshape(len(values), -1)
    return {f"{name}_{number}": flat[:, number] for number in range(flat.shape[1])}
