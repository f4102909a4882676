"""Compose params.yaml: ``python -m tasks.artifacts.compose [OVERRIDE...]``.

From the groups in params/, the same bytes as ``dvc exp run -S OVERRIDE`` writes.
Without overrides it is the default study, the one that stands in git.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text
from tasks.artifacts.params import PARAMS
from tasks.artifacts.stage import run_stage

FOLDER = Path("params")


def composed(overrides: Sequence[str] = (), folder: Path = FOLDER) -> str:
    """The text of params.yaml.

    Args:
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``.
        folder: The Hydra groups.

    Raises:
        RefusedError: If Hydra cannot compose them; names the key nearest to one that
            does not exist.
    """
    with initialize_config_dir(str(folder.resolve()), version_base=None):
        try:
            config = compose("config", list(overrides))
            OmegaConf.resolve(config)
        except (HydraException, OmegaConfBaseException) as error:
            raise _refused(overrides, folder, error) from None
    return OmegaConf.to_yaml(config)


def _refused(overrides: Sequence[str], folder: Path, error: Exception) -> RefusedError:
    """Say what is wrong with overrides; Hydra is initialised."""
    groups = [one for one in overrides if (folder / one.partition("=")[0]).is_dir()]
    try:  # without the values, so that the keys there are can be compared
        keys = sorted(_keys(OmegaConf.to_container(compose("config", groups))))
    except (HydraException, OmegaConfBaseException):
        keys = []
    for one in (one for one in overrides if one not in groups):
        key = one.partition("=")[0]
        near = difflib.get_close_matches(key, keys, 1, 0)
        if "=" in one and not key.startswith(("+", "~")) and near and key not in keys:
            return RefusedError(
                FOLDER, key, "an unknown key", f"e.g. {near[0]}", "change the override"
            )
    return RefusedError(
        FOLDER,
        "composition",
        " ".join(overrides) or "no override",
        "groups and keys that exist",
        str(error),
    )


def _keys(block: Any, where: str = "") -> Iterator[str]:
    """Dotted paths of all keys."""
    if isinstance(block, Mapping):
        for key, value in block.items():
            yield f"{where}{key}"
            yield from _keys(value, f"{where}{key}.")


def main() -> None:
    """Write params.yaml."""
    write_text(PARAMS, composed(sys.argv[1:]))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
