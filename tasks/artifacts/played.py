"""Which datasets of a study have a world to play in: ``${played:datasets}`` in params/.

Of the others some are logs: what is trained on them is estimated and never played, so
the stages that play have no instance there. The rest are named arrays,
``${played:arrays}``:
what is trained on them predicts, and is judged by a metric.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

LOGGED = "tasks.worlds.logged.Logged"  # a class that cannot be played


def played(params: Mapping[str, Any]) -> list[str]:
    """Names of ``study.datasets`` whose world can be played, in their order.

    Args:
        params: The parameters. A block without a world, as that of a corrupted dataset,
            has its source's; what nothing makes counts as played, to be refused by the
            check of parameters.
    """
    blocks: dict[str, Any] = {}
    for group in ("attack", "corruption", "imported", "dataset"):
        blocks |= _mapping(params.get(group))

    arrays = _mapping(params.get("arrays"))

    def is_played(name: object) -> bool:
        if str(name) in arrays:
            return False
        block = _mapping(blocks.get(str(name)))
        if "world" not in block and block.get("source") in blocks:
            block = _mapping(blocks[block["source"]])
        return _mapping(block.get("world")).get("_target_") != LOGGED

    names = _mapping(params.get("study")).get("datasets")
    return (
        [name for name in names if is_played(name)] if isinstance(names, list) else []
    )


def predicted(params: Mapping[str, Any]) -> list[str]:
    """Names of ``study.datasets`` that are named arrays, in their order.

    Args:
        params: The parameters.
    """
    arrays = _mapping(params.get("arrays"))
    names = _mapping(params.get("study")).get("datasets")
    return [n for n in names if str(n) in arrays] if isinstance(names, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def register() -> None:
    """Let ``${played:datasets}`` be used in params/."""

    def derive(what: str, *, _root_: DictConfig) -> Any:
        groups = ("dataset", "corruption", "attack", "imported", "arrays")
        blocks = {g: _plain(_root_.get(g)) for g in groups}
        study = _root_.get("study")
        names = study.get("datasets") if OmegaConf.is_dict(study) else None
        params = blocks | {"study": {"datasets": _plain(names)}}
        chosen = predicted(params) if what == "arrays" else played(params)
        return OmegaConf.create(chosen)

    OmegaConf.register_new_resolver("played", derive, replace=True)


def _plain(config: Any) -> Any:
    """A block or list as plain containers; references inside are left as they are."""
    return OmegaConf.to_container(config) if OmegaConf.is_config(config) else config
