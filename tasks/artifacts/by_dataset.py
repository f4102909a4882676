"""Parameters of a learner that have a value of their own for some datasets.

Papers tune some numbers for each dataset and publish a table. In a block of ``train``
any value may be such a table, a mapping of names of datasets, with ``default`` for all
others:

    actor_penalty: {default: 0.01, hopper_medium_replay: 0.05}

A study or an override that gives one value replaces the whole table.
"""

from collections.abc import Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS

DEFAULT = "default"


def of_dataset(block: Mapping[str, Any], dataset: str, where: str) -> dict[str, Any]:
    """A learner's block for one dataset, without tables.

    Args:
        block: Parameters of a learner.
        dataset: Its name; ``default`` for one that no table names.
        where: The block's dotted path, e.g. ``train.rebrac``, for errors.

    Raises:
        RefusedError: If a table has no ``default``.
    """
    own = dict(block)
    for key, value in block.items():
        if not isinstance(value, Mapping):
            continue
        if DEFAULT not in value:
            field, expected = f"{where}.{key}", f"{DEFAULT} among the datasets' names"
            mend = f"add {DEFAULT}, the value for all other datasets"
            raise RefusedError(PARAMS, field, "a mapping without", expected, mend)
        own[key] = value.get(dataset, value[DEFAULT])
    return own


def named_datasets(block: Mapping[str, Any]) -> list[str]:
    """Names that the tables of a learner's block have, ``default`` first, in order."""
    tables = [value for value in block.values() if isinstance(value, Mapping)]
    names = {name for table in tables for name in table}
    return [DEFAULT, *sorted(names - {DEFAULT})]
