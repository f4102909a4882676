"""Which block of params.yaml, and so which stage, makes a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import (
    MEND,
    PARAMS,
    Params,
    check_known,
    check_mapping,
)

# block of params.yaml: stage of dvc.yaml
MAKERS = {
    "dataset": "generate",
    "imported": "import",
    "corruption": "corrupt",
    "attack": "attack",
    "arrays": "collect",
}
ARRAYS = "arrays"  # a block, of datasets of named arrays
IMPORTED = "imported"  # a block, and the one method that its datasets are made by


@dataclass(frozen=True)
class CorruptionOf(Params):
    """What a block ``corruption.NAME`` says beside ``generate``."""

    source: str  # a dataset of the block dataset


@dataclass(frozen=True)
class AttackOn(CorruptionOf):
    """What a block ``attack.NAME`` says beside ``generate``."""

    attacker: str  # a learner, trained on the source, whose critics are asked


KINDS: dict[str, type[CorruptionOf]] = {"corruption": CorruptionOf, "attack": AttackOn}


def group_of(params: Mapping[str, Any], name: str) -> str:
    """The block of params.yaml that holds a dataset; ``dataset`` if none does."""
    return next((g for g in MAKERS if name in (params.get(g) or {})), "dataset")


def known_dataset(params: Mapping[str, Any], name: str, where: str) -> None:
    """Refuse a dataset that nothing makes.

    Args:
        params: The composed parameters.
        name: Of the dataset.
        where: The dotted path it stands at, for errors.
    """
    groups = {group: params.get(group) or {} for group in MAKERS}
    for group, blocks in groups.items():
        check_mapping(blocks, group)
    check_known(name, [one for blocks in groups.values() for one in blocks], where)


def of_block(block: Mapping[str, Any], where: str) -> CorruptionOf:
    """Parse a block of ``corruption`` or ``attack``, but for its ``generate``.

    Args:
        block: The block.
        where: Its dotted path, which begins with the group.

    Raises:
        RefusedError: On an unknown or missing key.
    """
    kind = KINDS[where.partition(".")[0]]
    return kind.parse({k: v for k, v in block.items() if k != "generate"}, where)


def check_makers(params: Mapping[str, Any]) -> None:
    """Check the datasets a study names, and every corrupted one there is.

    Raises:
        RefusedError: If nothing makes a dataset, two blocks make one of the same name,
            a source is neither of ``dataset`` nor of ``imported``, or an attack's
            critics would not be trained.
    """
    blocks = {group: params.get(group) or {} for group in MAKERS}
    study = params["study"]
    for name in study["datasets"]:
        known_dataset(params, name, "study.datasets")
    sources = {**blocks["dataset"], **blocks[IMPORTED]}
    _check_own_names(blocks)
    _check_imported(blocks)
    for group in KINDS:
        for name, block in blocks[group].items():
            where = f"{group}.{name}"
            told = of_block(block, where)
            check_known(told.source, sources, f"{where}.source")
            method = block["generate"]
            asks = method["mode"] == "adversarial" and method["field"] != "rew"
            if asks != (group == "attack"):
                right = "attack" if asks else "corruption"
                kind = f"{method['mode']} {method['field']}"
                raise RefusedError(PARAMS, where, kind, f"a block of {right}", MEND)
            if isinstance(told, AttackOn):
                check_known(told.source, study["datasets"], f"{where}.source")
                check_known(told.attacker, study["learners"], f"{where}.attacker")


def _check_own_names(blocks: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two blocks that make datasets of one name."""
    for group in list(MAKERS)[1:]:
        for name in blocks[group]:
            others = [g for g in MAKERS if g != group and name in blocks[g]]
            if others:
                taken, own = f"a name that {others[0]} has too", "a name of its own"
                raise RefusedError(PARAMS, f"{group}.{name}", taken, own, MEND)


def _check_imported(blocks: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a block ``imported`` that plays, and a block ``dataset`` that reads."""
    for group in ("dataset", IMPORTED):
        for name, block in blocks[group].items():
            if (block["method"] == IMPORTED) != (group == IMPORTED):
                where = f"{group}.{name}.method"
                expected = "imported of the block imported, and no other there"
                mend = f"compose it as /dataset@{IMPORTED}.{name}: {name}"
                raise RefusedError(PARAMS, where, block["method"], expected, mend)
