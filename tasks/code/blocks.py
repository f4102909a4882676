"""The blocks of params.yaml: which groups there are, and of which class their blocks.

A block is data. It names a class, which has to be one of the room its group stands for
and of the kind that room's stage can use, and holds that class's parameters.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.by_dataset import named_datasets, of_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.makers import ARRAYS
from tasks.artifacts.method import Method
from tasks.artifacts.nearest import listed
from tasks.artifacts.params import (
    MEND,
    PARAMS,
    check_known,
    check_mapping,
    class_of,
    pick,
    resolve,
)
from tasks.code import methods, world_method

DATASET_FILES = Path("params/dataset")
# what no file in UTF-8 can hold, or no line of text does
CONTROL = re.compile(r"[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f]")
DEEPEST, MOST, LONGEST = 16, 100_000, 2000  # levels, entries, characters of a text
KEY = 129  # characters of a key: two names and a hyphen, as of ``cut``
HUGE = 1e300  # beyond it strict JSON holds no number


@dataclass(frozen=True)
class Group:
    """A group whose blocks each describe one method.

    Attributes:
        room: Folder of ``tasks/`` that the classes are in.
        bases: A class has to be one of these, names in the room.
        named: Whether a block has the name of its method, by which stages know the
            code; otherwise any method of the room may stand under any name.
        needed: Blocks that the graph names.
        optional: Whether the group may be missing.
    """

    room: str
    bases: tuple[str, ...] = ()
    named: bool = True
    needed: tuple[str, ...] = ()
    optional: bool = False


ADOPTED = "adopted"  # blocks of it have the user's names, and say their method
GROUPS = {
    "train": Group("train", ("Learner", "PredictorLearner")),
    "learn": Group("learn", ("OnlineLearner", "TableLearner")),
    "compress": Group("compress", ("Compressor",)),
    "export": Group("export", ("Exporter", "Sampler"), needed=("feedforward",)),
    "evaluate": Group("evaluate", needed=("returns",)),
    "profile": Group("profile", ("Profiler",), needed=("latency",)),
    "report": Group("report", ("Report",), needed=("html",)),
    "claim": Group("claims", ("Claim",)),
    "bed": Group("beds", ("Bed",)),
    "estimate": Group("estimate", ("Estimator",), optional=True),
    "measure": Group("measure", ("Measure",), optional=True),
    "weighting": Group("weigh", ("Weighting",), named=False, optional=True),
    ADOPTED: Group("adopt", ("Adoption",)),
}
# of a sweep, and what follows from it: tasks/code/sweeps.py checks them
SWEEP = ("sweep", "grid", "cut")
WORLD = Group("worlds", ("World",))
# groups whose blocks make datasets: what their classes are, and further keys
DATASETS = {
    "dataset": (Group("generate", ("Generator",)), ("world", "method")),
    "imported": (Group("generate", ("Generator",)), ("world", "method")),
    "corruption": (Group("generate", ("Corruption",), named=False), ("source",)),
    "attack": (Group("generate", ("Corruption",), named=False), ("source", "attacker")),
    ARRAYS: (Group("generate", ("ArrayMaker",)), ("method",)),
}


def check_blocks(params: Mapping[str, Any]) -> None:
    """Check every group and block but ``study``.

    Args:
        params: The composed parameters.

    Raises:
        RefusedError: If a group is unknown or missing, or a block is no mapping, names
            no class of its room, or has parameters that its stage would refuse.
    """
    known = {"study": None, **dict.fromkeys(SWEEP), **GROUPS, **DATASETS}
    for key in params:
        if key not in known:
            check_known(key, known, "top level", "an unknown group")
    missing = [k for k in known if k not in params and not _optional(k)]
    if missing:
        mend = f"add the group {missing[0]}"
        raise RefusedError(PARAMS, missing[0], "nothing", "a mapping", mend)
    for name in params:
        check_mapping(params[name], name)
        for key, block in params[name].items():
            if name in GROUPS:
                method = _method(name, key, block)
                _check_block(f"{name}.{key}", block, GROUPS[name], method)
            elif name in DATASETS:
                _check_dataset(name, key, block)
    for name, group in GROUPS.items():
        for key in group.needed:
            check_known(key, params[name], name, "nothing")


def checked(params: Mapping[str, Any], group: str, name: str) -> dict[str, Any]:
    """The block ``group.name``, as a stage needs it that may be started by hand.

    Args:
        params: The composed parameters; their other blocks are not looked at.
        group: A group of params.yaml but ``study``.
        name: Of the block.

    Returns:
        The block.

    Raises:
        RefusedError: If there is no such block, or for what :func:`check_blocks` and
            :func:`check_shape` refuse a block for.
    """
    block = pick(params, group, name)
    check_shape({group: {name: block}})
    if group in DATASETS:
        _check_dataset(group, name, block)
    else:
        method = _method(group, name, block)
        _check_block(f"{group}.{name}", block, GROUPS[group], method)
    return block


def _method(group: str, key: str, block: Any) -> object:
    """Name of the method of a block: its own name, or what it says."""
    if group != ADOPTED or not isinstance(block, Mapping):
        return key
    return block.get("method")


def _optional(group: str) -> bool:
    return group in GROUPS and GROUPS[group].optional


def _check_dataset(name: str, key: str, block: Any) -> None:
    """Check a block that makes a dataset: its keys, its world, how it is made."""
    where, (group, more) = f"{name}.{key}", DATASETS[name]
    check_mapping(block, where)
    keys = ("generate", *more)
    for one in block:
        check_known(one, keys, where, "an unknown key")
    for one in keys:
        if one not in block:
            mend = f"add the key {one} to the block {where}"
            raise RefusedError(PARAMS, f"{where}.{one}", "nothing", "a value", mend)
    method = block.get("method", "")
    if "world" in more:
        check_mapping(block["world"], f"{where}.world")
        _check_block(
            f"{where}.world", block["world"], WORLD, block["world"].get("name")
        )
    if "method" in more:
        check_known(method, methods("generate"), f"{where}.method")
    _check_block(f"{where}.generate", block["generate"], group, method)


def _check_block(where: str, block: Any, group: Group, name: object) -> None:
    """Check one block's class and parameters.

    Args:
        where: Its dotted path.
        block: The block.
        group: What its class has to be.
        name: Of its method, if the group's blocks are named.
    """
    check_mapping(block, where)
    home, own = f"tasks.{group.room}.", methods(group.room)
    if group is WORLD and name not in own:
        name = _any_name(block, where) or name
    if group.named and name not in own:
        raise RefusedError(
            PARAMS,
            where,
            f"{name}, of the class {shown(block.get('_target_'))}",
            f"the name of a method, tasks/{group.room}/NAME.py, and a class of it",
            f"there are {listed(own)}",
        )
    cls = class_of(block, where)
    home = f"{home}{name if group.named else ''}".rstrip(".")
    bases = [resolve(f"tasks.{group.room}.{base}", where) for base in group.bases]
    inside = f"{cls.__module__}.".startswith(f"{home}.")
    if (
        not inside
        or not issubclass(cls, tuple(bases) or Method)
        or inspect.isabstract(cls)
    ):
        kinds = " or ".join(group.bases) or "method"
        raise RefusedError(
            PARAMS,
            where,
            f"{name}, of the class {block['_target_']}".lstrip(", "),
            f"a {kinds} of {home.replace('.', '/')}",
            "name the class of the method",
        )
    blocks = [block]
    if group is GROUPS["train"]:
        names = named_datasets(block)
        if known := [path.stem for path in DATASET_FILES.glob("*.yaml")]:
            for name in names[1:]:  # a name misspelt would take the default unseen
                check_known(name, known, where, "an unknown dataset")
        blocks = [of_dataset(block, name, where) for name in names]
    for each in blocks:
        parsed = cls.Parameters.parse(each, where)
    # what only some classes ask, of rooms that this one may not import
    if hasattr(cls, "check_env_id"):  # a world's
        cls.check_env_id(block["env_id"], f"{where}.env_id")
    if hasattr(cls, "check_params"):  # a bed's
        cls.check_params(parsed, where)


def _any_name(block: Mapping[str, Any], where: str) -> str | None:
    """The method of a world whose class lets it have any name but another's."""
    if not str(block.get("_target_")).startswith("tasks.worlds."):
        return None
    cls = class_of(block, where)
    return world_method(block) if getattr(cls, "any_name", False) else None


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a value that is no block and no list."""
    if isinstance(value, int | float):
        return -HUGE < value < HUGE
    return value is None or isinstance(value, str)


def check_shape(params: Mapping[str, Any]) -> None:
    """Refuse what no file needs: keys that are not text, too deep, long or many.

    Also what JSON cannot hold: parameters stand in the files of stages.
    """
    todo: list[tuple[str, Any, int]] = [("", params, 0)]
    for _ in range(MOST):
        if not todo:
            return
        where, value, level = todo.pop()
        if level > DEEPEST:
            raise RefusedError(
                PARAMS, where, "blocks inside blocks", f"at most {DEEPEST} levels", MEND
            )
        if isinstance(value, str) and (len(value) > LONGEST or CONTROL.search(value)):
            expected = f"at most {LONGEST} characters that can be written"
            raise RefusedError(PARAMS, where, shown(value), expected, MEND)
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if not isinstance(key, str) or len(key) > KEY:
                    field = f"{where}, a key" if where else "top level, a key"
                    expected = f"text of at most {KEY} characters"
                    raise RefusedError(PARAMS, field, shown(key), expected, MEND)
                todo.append((f"{where}.{key}" if where else key, inner, level + 1))
        elif isinstance(value, list | tuple):
            todo += [(where, inner, level + 1) for inner in value]
        elif not _is_plain(value):
            expected = "text, a number that JSON can hold, true, false or null"
            raise RefusedError(PARAMS, where, shown(value), expected, MEND)
    raise RefusedError(PARAMS, "content", f"over {MOST} entries", "fewer", MEND)
