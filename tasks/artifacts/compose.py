"""Compose params.yaml from params/: ``python -m tasks.artifacts.compose [OVERRIDE...]``.

The same bytes as ``dvc exp run -S OVERRIDE`` writes. Without overrides it is the
default study, the one that stands in git.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

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
        RefusedError: If Hydra cannot compose them.
    """
    try:
        with initialize_config_dir(str(folder.resolve()), version_base=None):
            config = compose("config", list(overrides))
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise RefusedError(
            folder,
            "composition",
            " ".join(overrides) or "no override",
            "groups and keys that exist",
            str(error),
        ) from None
    return OmegaConf.to_yaml(config)


def main() -> None:
    """Write params.yaml."""
    write_text(PARAMS, composed(sys.argv[1:]))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
