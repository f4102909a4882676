"""A sweep: the configurations of a learner that a study tries side by side.

Under ``sweep:`` a number of a learner may be a list. The learner is then trained once
for each combination, all in one stack, and each combination is a policy of its own:

    sweep: {iql: {expectile: [0.7, 0.9], beta: [3]}}
    policies: iql-expectile0p7-beta3, iql-expectile0p9-beta3

A name says the learner and each number that is swept, with ``p`` for the point, so a
value that is added renames no other policy. One that became longer than a name may be
has a hash in place of the numbers. ``${sweep:...}`` in params/ stands for what
follows from the lists, for whoever composes params.yaml:

| ``${sweep:grid}`` | by learner its configurations: policy's name -> numbers |
| ``${sweep:cut}`` | by dataset and policy what the stage ``cut`` takes out of a stack |
| ``${sweep:policies}`` | ``study.learners``, a swept one replaced by its policies,
  ``study.learned`` and ``study.adopted`` |

What is no list of numbers counts as nothing here: the check of parameters refuses it.
"""

import hashlib
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from omegaconf import OmegaConf

Numbers = dict[str, float]
LARGEST = 1e300  # of a number, so that it has a float
LONGEST, HASH = 64, 8  # characters of a name, and of the hash in one


def written(value: float) -> str:
    """A number as a part of a name: 0.7 is 0p7, 3.0 is 3, 0.00001 is 1e-5."""
    text = repr(float(value)).removesuffix(".0")
    return text.replace("e-0", "e-").replace("+", "").replace(".", "p")


def configurations(learner: str, lists: Any) -> dict[str, Numbers]:
    """Every combination of a learner's lists, the last list's values changing first.

    Args:
        learner: Its name.
        lists: By parameter its values.

    Returns:
        Numbers by the policy's name; empty without lists.
    """
    lists = lists if isinstance(lists, Mapping) else {}
    usable = {name: list(vs) for name, vs in lists.items() if _numbers(vs)}
    if not usable or len(usable) < len(lists):
        return {}
    tried: dict[str, Numbers] = {}
    for values in product(*usable.values()):
        numbers = dict(zip(usable, values, strict=True))
        parts = [f"{name}{written(value)}" for name, value in numbers.items()]
        tried[_short("-".join([learner, *parts]), learner)] = numbers
    return tried


def _short(name: str, learner: str) -> str:
    """The name, or where it is too long to be one the learner's and a hash of it."""
    if len(name) <= LONGEST:
        return name
    return f"{learner}-{hashlib.sha256(name.encode()).hexdigest()[:HASH]}"


def grid(params: Mapping[str, Any]) -> dict[str, dict[str, Numbers]]:
    """By each learner of ``train`` its configurations, none where it is not swept."""
    sweep = params.get("sweep")
    sweep = sweep if isinstance(sweep, Mapping) else {}
    learners = params.get("train") or {}
    return {name: configurations(name, sweep.get(name, {})) for name in learners}


def cut(params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the stage ``cut`` does, by ``<dataset>-<policy>``."""
    tried = grid(params)
    return {
        f"{dataset}-{policy}": {
            "dataset": dataset,
            "learner": learner,
            "policy": policy,
        }
        for dataset in params["study"]["datasets"]
        for learner in params["study"]["learners"]
        for policy in tried.get(learner, {})
    }


def policies(params: Mapping[str, Any]) -> list[str]:
    """Policies that later stages take, where a study does not say which."""
    tried, study = grid(params), params["study"]
    trained = [
        policy
        for learner in study["learners"]
        for policy in tried.get(learner) or [learner]
    ]
    return [*trained, *study.get("learned", ()), *study.get("adopted", ())]


DERIVED: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "grid": grid,
    "cut": cut,
    "policies": policies,
}


def register() -> None:
    """Let ``${sweep:...}`` be used in params/."""

    def derive(what: str, *, _root_: Any) -> Any:
        study = _root_.study if OmegaConf.is_dict(_root_.study) else {}
        sweep = _root_.sweep
        lists = {}  # which may stand for others
        for key in ("datasets", "learners", "learned", "adopted"):
            names: Any = study.get(key)
            lists[key] = list(names) if OmegaConf.is_list(names) else []
        blocks = {
            "study": lists,
            "sweep": OmegaConf.to_container(sweep) if OmegaConf.is_dict(sweep) else {},
            "train": dict.fromkeys(_root_.get("train") or ()),
        }
        return OmegaConf.create(DERIVED[what](blocks))

    OmegaConf.register_new_resolver("sweep", derive, replace=True)


def _numbers(values: Any) -> bool:
    """Whether a value is a list of numbers, at least one."""
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(type(v) in (int, float) and abs(v) <= LARGEST for v in values)
    )
