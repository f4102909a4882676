"""Compose params.yaml: ``python -m tasks.artifacts.compose [OVERRIDE...]``.

Hydra puts it together from the groups in params/; the bytes are those that ``dvc exp
run -S OVERRIDE`` writes. Without overrides it is the default study, as it is in git.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tasks.artifacts import played, sweep
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text
from tasks.artifacts.nearest import nearest
from tasks.artifacts.params import PARAMS, load
from tasks.artifacts.stage import run_stage

FOLDER = Path("params")


def composed(overrides: Sequence[str] = (), folder: Path = FOLDER) -> str:
    """Compose the parameters of a study.

    Args:
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``, or
            ``sweep.iql.beta=[1,3]``, to which DVC's ``-S`` needs a ``+`` before it.
        folder: Where the Hydra groups lie.

    Returns:
        The text of params.yaml.

    Raises:
        RefusedError: If Hydra cannot compose it; for a key that does not exist it names
            the nearest one.
    """
    for override in overrides:
        if override.lstrip("+~").startswith("hydra"):  # could name a package to import
            expected = "a key of the study"
            raise RefusedError(FOLDER, "override", override, expected, "leave it out")
    sweep.register()
    played.register()
    # a sweep's keys are the user's, which Hydra calls adding one
    overrides = [f"++{o}" if o.startswith("sweep.") else o for o in overrides]
    for path in sorted(folder.rglob("*.yaml")):  # Hydra would unfold aliases that grow
        load(path)
    with initialize_config_dir(str(folder.resolve()), version_base=None):
        try:
            config = compose("config", list(overrides))
            OmegaConf.resolve(config)
        except (HydraException, OmegaConfBaseException) as error:
            raise _refused(overrides, folder, error) from None
    return OmegaConf.to_yaml(config)


def _refused(overrides: Sequence[str], folder: Path, error: Exception) -> RefusedError:
    """Find out which override Hydra could not use.

    Args:
        overrides: In Hydra's grammar.
        folder: Where the Hydra groups lie; Hydra is initialised with it.
        error: What Hydra said.

    Returns:
        The refusal to raise.
    """
    groups = [text for text in overrides if (folder / text.partition("=")[0]).is_dir()]
    try:  # without the values, so that the keys there are can be compared
        keys = sorted(_keys(OmegaConf.to_container(compose("config", groups))))
    except (HydraException, OmegaConfBaseException):
        keys = []
    for override in (text for text in overrides if text not in groups):
        key = override.partition("=")[0]
        new = "=" in override and not key.startswith(("+", "~"))
        if new and keys and key not in keys:
            near = nearest(key, keys)
            expected = f"e.g. {near}" if near else "a key of the study"
            return RefusedError(
                FOLDER, key, "an unknown key", expected, "change the override"
            )
    return RefusedError(
        FOLDER,
        "composition",
        " ".join(overrides) or "no override",
        "groups and keys that exist",
        str(error),
    )


def _keys(block: Any, where: str = "") -> Iterator[str]:
    """Yield the dotted path of every key of a block."""
    if isinstance(block, Mapping):
        for key, value in block.items():
            yield f"{where}{key}"
            yield from _keys(value, f"{where}{key}.")


def main() -> None:
    """Write params.yaml with the overrides of the command line."""
    write_text(PARAMS, composed(sys.argv[1:]))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
