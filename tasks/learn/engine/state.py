"""The state of online learners as files, so that a later run can go on from it.

    <policy's folder>/state.json         whose state it is, and the hash of the other
    <policy's folder>/state.safetensors  all that ``update`` needs, seed by seed

A tensor is called ``<seed>/<name>``, the name being that in ``Learner.tensors`` of a
learner of that seed alone. So one, some or all seeds can go on, in whatever stack.

Shapes: S seeds of a stack; its tensors begin with S or S times as many rows as those of
one seed, or are shared by all seeds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import read_sealed, write_sealed
from tasks.learn import OnlineLearner

FILE, WEIGHTS = "state.json", "state.safetensors"
SCHEMA = 1
MEND = "make it again with: dvc repro"
Tensors = dict[str, Tensor]


def by_seed(stack: OnlineLearner[Any], alone: OnlineLearner[Any]) -> Tensors:
    """The tensors of a stack, seed by seed.

    Args:
        stack: Of some seeds.
        alone: A learner of one of them, for the shapes.
    """
    found: Tensors = {}
    shapes, count = alone.tensors(), len(stack.seeds)
    for name, tensor in stack.tensors().items():
        shared = tensor.shape == shapes[name].shape
        parts = [tensor] * count if shared else tensor.chunk(count)
        named = zip(stack.seeds, parts, strict=True)
        found |= {f"{seed}/{name}": part for seed, part in named}
    return found


def write_state(
    folder: Path,
    learners: Sequence[OnlineLearner[Any]],
    alone: OnlineLearner[Any],
    about: Mapping[str, Any],
) -> None:
    """Write the state of all seeds beside their policy.

    Args:
        folder: Existing.
        learners: Of some seeds each.
        alone: A learner of one seed, for the shapes.
        about: What it is of: ``learner``, ``steps``.
    """
    tensors: Tensors = {}
    for learner in learners:
        tensors |= by_seed(learner, alone)
    plain = {name: x.detach().contiguous().clone() for name, x in tensors.items()}
    (folder / WEIGHTS).write_bytes(save(plain))
    content = {"schema": SCHEMA, **about, "file_sha256": sha256(folder / WEIGHTS)}
    write_sealed(folder / FILE, content)


def read_state(folder: Path, name: str) -> Tensors:
    """Read the state of all seeds, its hashes and its learner checked.

    Args:
        folder: Of the policy.
        name: Of the learner that is to go on.

    Raises:
        RefusedError: If a file is missing or damaged, or another learner's.
    """
    said, weights = read_sealed(folder / FILE, "dvc repro"), folder / WEIGHTS
    stated = {"schema": SCHEMA, "learner": name}
    for key, value in stated.items():
        if said.get(key) != value:
            found = f"{said.get(key)!s:.80}"
            raise RefusedError(folder / FILE, key, found, value, MEND)
    found = sha256(weights) if weights.is_file() else "nothing"
    if found != said.get("file_sha256"):
        expected = f"{said.get('file_sha256')!s:.80}"
        raise RefusedError(weights, "sha256", found, expected, MEND)
    try:
        return load(weights.read_bytes())
    except SafetensorError as error:
        raise RefusedError(weights, "content", error, "tensors", MEND) from None


def take_up(
    learner: OnlineLearner[Any], alone: OnlineLearner[Any], state: Tensors, where: Path
) -> None:
    """Bring a fresh learner to the state that some seeds were left in.

    Args:
        learner: Of those seeds.
        alone: A fresh learner of one of them, for the shapes.
        state: What :func:`read_state` gave.
        where: The file, for errors.

    Raises:
        RefusedError: If a seed, a tensor or a width is not the learner's, a number is
            not finite, or seeds differ in what a stack of them shares.
    """
    shapes, own = alone.tensors(), learner.tensors()
    whole = {}
    for seed in learner.seeds:
        its = {n.partition("/")[2]: n for n in state if n.startswith(f"{seed}/")}
        if not its:
            there = ", ".join(sorted({n.partition("/")[0] for n in state}))
            mend = "start from a run of the same study.seeds"
            raise RefusedError(where, "seeds", there, f"{seed} among them", mend)
        if odd := sorted(set(its) ^ set(shapes)):
            found = "a tensor" if odd[0] in its else "nothing"
            expected = "the tensors of this learner's parameters"
            mend = "start from a learner of the same parameters"
            raise RefusedError(where, odd[0], found, expected, mend)
    for name, like in shapes.items():
        parts = [state[f"{seed}/{name}"] for seed in learner.seeds]
        for part in parts:
            if part.shape != like.shape or part.dtype != like.dtype:
                expected = f"{list(like.shape)}, as params say"
                mend = "start from a learner of the same widths"
                raise RefusedError(where, name, list(part.shape), expected, mend)
            if not bool(part.isfinite().all()):
                mend = "learn it again, e.g. with a lower rate"
                raise RefusedError(where, name, "nan or inf", "finite numbers", mend)
        shared = own[name].shape == like.shape
        if shared and any(not torch.equal(part, parts[0]) for part in parts):
            found, mend = "others of each seed", "start with one seed, or none"
            raise RefusedError(where, name, found, "one of the whole stack", mend)
        whole[name] = parts[0] if shared else torch.cat(parts)
    learner.restore(whole)
