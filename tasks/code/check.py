"""Check a composed study before anything of it is written.

Each stage checks its own block when it begins, which for the last one can be an hour
after the first. Here all blocks are parsed at once; nothing is built.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.artifacts.effort import Effort
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.makers import check_makers
from tasks.artifacts.names import check_names
from tasks.artifacts.params import PARAMS, check_known, resolve
from tasks.code import methods

# what the study lists, and the group each name is a block of
LISTS = {"learners": "train", "compressors": "compress"}
# groups whose blocks have the name of their method, by which stages know its code
NAMED = {
    **{room: room for room in ("train", "compress", "export", "evaluate", "estimate")},
    **{room: room for room in ("profile", "measure", "report")},
    "claim": "claims",
    "bed": "beds",
}


def check(params: Mapping[str, Any]) -> None:
    """Check each method's block and the study's own.

    Args:
        params: The composed parameters.

    Raises:
        RefusedError: On a class, key, type, range or name that its stage would refuse.
    """
    check_names(params)
    for where, block in _blocks(params):
        _check_block(where, block)
    _check_names(params)
    study = params["study"]
    Effort.of(study)
    check_makers(params)
    for key, group in LISTS.items():
        for name in study[key]:
            check_known(name, params[group], f"study.{key}")
    trained = _trained(params)
    for name in study["policies"]:
        check_known(name, trained, "study.policies")
    for name in study["curves"]:
        check_known(name, study["policies"], "study.curves")
    if study["curves"] and not study["snapshots"]:
        raise RefusedError(
            PARAMS,
            "study.curves",
            list(study["curves"]),
            "none, as study.snapshots is 0",
            "keep some snapshots, or empty study.curves",
        )
    _check_measured(params)
    first, then = study["chains"]["first"], study["chains"]["then"]
    for name in first:
        check_known(name, study["compressors"], "study.chains.first")
    for name in then:
        check_known(name, params["compress"], "study.chains.then")
    made = [*study["compressors"], *(f"{a}-{b}" for a in first for b in then)]
    for name in study["variants"]:
        check_known(name, made, "study.variants")
    _check_sampled(params, study)


def _check_block(where: str, block: Mapping[str, Any]) -> None:
    """Refuse parameters their class would refuse, or a world another environment."""
    cls = resolve(str(block["_target_"]), where)
    cls.Parameters.parse(block, where)
    if hasattr(cls, "check_env_id"):  # a world; this room may not import theirs
        cls.check_env_id(block["env_id"], f"{where}.env_id")


def _check_names(params: Mapping[str, Any]) -> None:
    """Refuse a name that no file of its room has: no stage could tell its code."""
    for group, room in NAMED.items():
        for name, block in (params.get(group) or {}).items():
            _check_name(f"{group}.{name}", room, name, block)
    for name, block in (params.get("dataset") or {}).items():
        where = f"dataset.{name}"
        world = block["world"]
        _check_name(f"{where}.world.name", "worlds", world["name"], world)
        _check_name(f"{where}.method", "generate", block["method"], block["generate"])


def _check_name(where: str, room: str, name: str, block: Mapping[str, Any]) -> None:
    """Refuse a block whose class is not the method's of the block's name."""
    target = str(block.get("_target_", ""))
    if name in methods(room) and f"{target}.".startswith(f"tasks.{room}.{name}."):
        return
    raise RefusedError(
        PARAMS,
        where,
        f"{name}, of the class {target or 'none'}",
        f"the name of a method, tasks/{room}/{name}.py, and a class of it",
        f"there are {', '.join(methods(room))}",
    )


def _check_sampled(params: Mapping[str, Any], study: Mapping[str, Any]) -> None:
    """Samplers, their calls, and what they are applied to."""
    block = study["sampled"]
    samplers = [
        name
        for name, one in (params.get("export") or {}).items()
        # a sampler plans network calls; the other methods of the room write graphs
        if hasattr(resolve(str(one["_target_"]), f"export.{name}"), "plan")
    ]
    lists = {
        "policies": study["policies"],
        "variants": study["variants"],
        "samplers": samplers,
    }
    known_keys = (*lists, "steps")
    for key in block:
        check_known(key, known_keys, "study.sampled")
    for key, names in lists.items():
        for name in block[key]:
            check_known(name, names, f"study.sampled.{key}")
    steps = block["steps"]
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in steps)
    if not whole or any(n < 1 for n in steps) or len(set(steps)) < len(steps):
        raise RefusedError(
            PARAMS,
            "study.sampled.steps",
            list(steps),
            "different whole numbers of at least 1",
            "change study.sampled.steps",
        )


def _check_measured(params: Mapping[str, Any]) -> None:
    """Datasets that are measured, and what training waits for."""
    study = params["study"]
    measured, gate = study.get("measured") or [], study.get("gate", "open")
    for name in measured:
        check_known(name, study["datasets"], "study.measured")
    if measured:
        check_known("qdc_metrics", params.get("measure") or {}, "measure")
    if gate != "open" and params.get("attack"):
        raise RefusedError(
            PARAMS,
            "study.gate",
            gate,
            "open, as attacks wait for a policy that would wait for the gate",
            "set study.gate to open; figures below the gate still stop the study",
        )
    if gate != "open" and (gate != study["name"] or not measured):
        raise RefusedError(
            PARAMS,
            "study.gate",
            gate,
            f"open, or {study['name']} where study.measured names datasets",
            "change study.gate",
        )


def _trained(params: Mapping[str, Any]) -> list[str]:
    """Names of the policies training leaves, ``<learner>-<weighting>`` included."""
    study = params["study"]
    weighted = study["weighted"]
    for key, group in (("learners", "train"), ("weightings", "weighting")):
        for name in weighted[key]:
            check_known(name, params.get(group, {}), f"study.weighted.{key}")
    both = [f"{a}-{b}" for a in weighted["learners"] for b in weighted["weightings"]]
    return [*study["learners"], *both]


def _blocks(
    params: Mapping[str, Any], where: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every block that names a class, with its dotted path."""
    for key, value in params.items():
        if not isinstance(value, Mapping):
            continue
        path = f"{where}.{key}" if where else str(key)
        if "_target_" in value:
            yield path, value
        else:
            yield from _blocks(value, path)
