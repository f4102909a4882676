"""Check a sweep: that its numbers exist, are in range, and can differ in one stack."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tasks.artifacts.by_dataset import DEFAULT, of_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown, sweepable
from tasks.artifacts.params import MEND, PARAMS, check_known, check_mapping, class_of
from tasks.artifacts.study import Study
from tasks.artifacts.sweep import DERIVED, LARGEST, Numbers, configurations

MOST = 1000  # slices: configurations times seeds, one ONNX file each a variant


def check_sweep(params: Mapping[str, Any], study: Study) -> None:
    """Check the blocks ``sweep``, and ``grid`` and ``cut``, which follow from it.

    Args:
        params: The composed parameters.
        study: Their block ``study``.

    Raises:
        RefusedError: If a learner or number is unknown or cannot be swept, a value is
            none or outside its range, there are too many slices, or a policy's name
            is another policy's.
    """
    check_mapping(params["sweep"], "sweep")
    taken = {f"{a}-{b}": "a weighted learner" for a, b in _weighted(study)}
    tuned = study.tuned
    names = [f"{a}-{b}" for a in tuned.learners for b in tuned.policies]
    taken |= dict.fromkeys(names, "a learner that begins from a policy")
    for learner in params["sweep"]:
        check_known(learner, study.learners, "sweep")
        where = f"sweep.{learner}"
        for policy in checked_sweep(params, learner, len(study.seeds)):
            if policy in taken:
                expected = f"another name: {taken[policy]} has it"
                raise RefusedError(PARAMS, where, policy, expected, "rename that one")
            taken[policy] = where
    for key in ("grid", "cut"):
        if params[key] != DERIVED[key](params):
            expected = "what follows from sweep, study and train"
            raise RefusedError(PARAMS, key, "something else", expected, MEND)


def checked_sweep(
    params: Mapping[str, Any], learner: str, seeds: int
) -> dict[str, Numbers]:
    """The configurations of a learner, as a stage needs them that is started by hand.

    Args:
        params: The composed parameters, ``train.<learner>`` checked.
        learner: Its name.
        seeds: How many the study has.

    Returns:
        Numbers by the policy's name; empty where the learner is not swept.

    Raises:
        RefusedError: For what :func:`check_sweep` refuses one learner's lists for.
    """
    sweep = params.get("sweep") or {}
    check_mapping(sweep, "sweep")
    if learner not in sweep:
        return {}
    lists, where = sweep[learner], f"sweep.{learner}"
    check_mapping(lists, where)
    block = of_dataset(params["train"][learner], DEFAULT, f"train.{learner}")
    parameters = class_of(block, f"train.{learner}").Parameters
    for name, values in lists.items():
        _check_list(name, values, parameters, where)
    tried = configurations(learner, lists)
    if not tried:
        mend = f"list a number of {learner}, or leave {where} out"
        raise RefusedError(PARAMS, where, "no lists", "at least one", mend)
    if len(tried) * seeds > MOST:
        found = f"{len(tried)} configurations of {seeds} seeds"
        expected = f"at most {MOST} slices"
        raise RefusedError(PARAMS, where, found, expected, "try fewer values")
    for numbers in tried.values():
        _check_numbers(parameters, {**block, **numbers}, where)
    return tried


def _weighted(study: Study) -> list[tuple[str, str]]:
    weighted = study.weighted
    return [(a, b) for a in weighted.learners for b in weighted.weightings]


def _check_list(name: object, values: Any, parameters: Any, where: str) -> None:
    """Check the list of one number."""
    names = sweepable(parameters)
    others = [f.name for f in fields(parameters) if f.name not in names]
    if name in others:
        expected = f"one of {', '.join(names)}"
        mend = "a stack has one value of it: compare two studies instead"
        found = "what slices of a stack cannot differ in"
        raise RefusedError(PARAMS, f"{where}.{name}", found, expected, mend)
    check_known(name, names, where, "an unknown number")
    field = f"{where}.{name}"
    if not isinstance(values, list | tuple) or not values:
        raise RefusedError(PARAMS, field, shown(values), "a list of numbers", MEND)
    for value in values:
        if not fits(value, float) or abs(value) > LARGEST:
            raise RefusedError(PARAMS, field, shown(value), "a finite number", MEND)
    if len(set(values)) < len(values):
        raise RefusedError(PARAMS, field, shown(values), "no number twice", MEND)


def _check_numbers(parameters: Any, block: Mapping[str, Any], where: str) -> None:
    """Refuse numbers that the learner would refuse."""
    try:
        parameters.parse(block, where)
    except RefusedError as error:
        parts = (error.field, error.found, error.expected)
        raise RefusedError(PARAMS, *parts, MEND) from None
