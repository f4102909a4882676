"""A chain of steps, with what its user says of it -> a network.

Numbers that are added or multiplied go into the layer before or behind them, but for
those before the first layer and behind the last squashing.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.adopt.cores.network import Layer, Network
from tasks.adopt.cores.normaliser import Normaliser
from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.foreign_onnx.steps import MEND, Step
from tasks.artifacts.errors import RefusedError

NEAR = 1e-5  # of a bound
KIND = "ONNX chain of layers"


def network_of(
    path: Path,
    steps: Sequence[Step],
    spaces: Spaces,
    action: str,
    *,
    clip: bool,
    inside: bool,
) -> Network:
    """The network of the steps.

    Args:
        path: The file, for errors.
        steps: Of the chain.
        spaces: Of the world.
        action: What comes out: ``world``, ``scaled``, ``logits`` or ``q``.
        clip: Whether who plays it clips that.
        inside: Whether a normaliser is expected before the first layer.

    Raises:
        RefusedError: If the steps are no layers with one kind of activation between,
            or the end is not what the user says.
    """
    kinds = [step.kind for step in steps]
    if "affine" not in kinds:
        raise RefusedError(path, "graph", "no layer", "at least one", MEND)
    first = kinds.index("affine")
    last = len(kinds) - 1 - kinds[::-1].index("affine")
    head, middle, tail = steps[:first], steps[first : last + 1], list(steps[last + 1 :])
    if bool(head) != inside:
        there = "a normaliser inside the graph" if head else "no normaliser inside"
        expected = "inside" if inside else "none before the first layer"
        mend = "say normaliser=inside, or none, or beside, in OPTIONS"
        raise RefusedError(path, "normaliser", there, expected, mend)
    normaliser = _normaliser(path, head, len(steps[first].first)) if head else None
    layers, between = _layers(path, middle)
    while tail and tail[0].kind == "scale":
        weight, bias = layers[-1]
        scale = tail.pop(0)
        layers[-1] = weight * scale.first, bias * scale.first + scale.second
    name, limit = _head(path, tail, spaces, action, clip=clip)
    return Network(KIND, layers, between, name, limit, normaliser)


def _normaliser(path: Path, steps: Sequence[Step], width: int) -> Normaliser:
    """Statistics and limit of what lies before the first layer."""
    factor, added, limit = np.ones(width), np.zeros(width), None
    for step in steps:
        if limit is not None or step.kind not in ("scale", "clip"):
            found = f"{step.kind} before the first layer"
            expected = "numbers added and multiplied, then perhaps a clip"
            raise RefusedError(path, "normaliser", found, expected, MEND)
        if step.kind == "scale":
            factor, added = factor * step.first, added * step.first + step.second
            continue
        low, high = np.unique(step.first), np.unique(step.second)
        if len(low) != 1 or len(high) != 1 or low[0] != -high[0] or not high[0] > 0:
            found = f"a clip to {low}..{high}"
            raise RefusedError(path, "normaliser", found, "-c..c", MEND)
        limit = float(high[0])
    if not (factor > 0).all():
        found = "a factor of 0 or less"
        raise RefusedError(path, "normaliser", found, "deviations above 0", MEND)
    return Normaliser(-added / factor, 1 / factor, limit)


def _layers(path: Path, steps: Sequence[Step]) -> tuple[list[Layer], str]:
    """Layers, and what lies between them; the first and the last step are layers."""
    layers: list[Layer] = []
    between: set[str] = set()
    factor, added = np.ones(1), np.zeros(1)  # of what comes before the next layer
    open_layer = False  # whether nothing but scales came since the last layer
    for step in steps:
        if step.kind == "affine":
            if open_layer:
                found = "two layers without an activation between"
                raise RefusedError(path, "graph", found, "Relu or Tanh", MEND)
            width = len(step.first)
            factor, added = factor * np.ones(width), added * np.ones(width)
            bias = step.second + added @ step.first
            layers.append((factor[:, None] * step.first, bias))
            factor, added, open_layer = np.ones(1), np.zeros(1), True
        elif step.kind == "scale" and open_layer:
            weight, bias = layers[-1]
            layers[-1] = weight * step.first, bias * step.first + step.second
        elif step.kind == "scale":
            factor, added = factor * step.first, added * step.first + step.second
        elif step.kind in ("relu", "tanh") and open_layer:
            between.add(step.kind)
            open_layer = False
        else:
            found = f"{step.kind} between layers"
            raise RefusedError(path, "graph", found, "Relu or Tanh", MEND)
    if len(between) > 1:
        raise RefusedError(path, "graph", "Relu and Tanh", "one of them", MEND)
    return layers, between.pop() if between else "relu"


def _head(
    path: Path, tail: list[Step], spaces: Spaces, action: str, *, clip: bool
) -> tuple[str, float | None]:
    """The head and its limit, of what follows the last layer."""
    kinds = [step.kind for step in tail]
    if action in ("logits", "q"):
        if kinds not in ([], ["argmax"]):
            found = f"{', '.join(kinds)} after the last layer"
            raise RefusedError(path, f"action={action}", found, "nothing", MEND)
        return "categorical", None
    ones = np.ones(spaces.action)
    low, high = (spaces.low, spaces.high) if action == "world" else (-ones, ones)
    limit = None
    if kinds[:2] == ["clip", "tanh"]:  # as of gSDE
        step = tail.pop(0)
        limit = float(step.second.max())
        if not (step.second == limit).all() or not (step.first == -limit).all():
            found = "a clip before Tanh that is not -c..c"
            raise RefusedError(path, "graph", found, "-c..c", MEND)
    kinds = [step.kind for step in tail]
    if kinds[:1] == ["tanh"]:
        _check_scaled(path, tail[1:], low, high, action)
        return "tanh", limit
    if kinds == ["clip"]:
        step = tail[0]
        if not (_near(step.first, low) and _near(step.second, high)):
            found = f"a clip to {step.first.tolist()}..{step.second.tolist()}"
            expected = f"to {low.tolist()}..{high.tolist()}, as action={action} says"
            raise RefusedError(path, "graph", found, expected, MEND)
    elif kinds:
        found = f"{', '.join(kinds)} after the last layer"
        raise RefusedError(path, "graph", found, "Tanh, Clip or nothing", MEND)
    elif not clip:
        found = "an output without bounds"
        expected = "Tanh or Clip at the end, or clip=true of who plays it"
        mend = "say clip=true in OPTIONS if actions are clipped outside the file"
        raise RefusedError(path, "clip", found, expected, mend)
    return ("world" if action == "world" else "clip"), None


def _check_scaled(
    path: Path,
    steps: Sequence[Step],
    low: np.ndarray[tuple[int], np.dtype[np.floating]],
    high: np.ndarray[tuple[int], np.dtype[np.floating]],
    action: str,
) -> None:
    """Refuse a tanh that is scaled to other bounds than what comes out shall have."""
    scale, offset = np.ones(len(low)), np.zeros(len(low))
    for step in steps:
        inside = step.kind == "clip" and (step.first <= offset - scale + NEAR).all()
        if inside and (step.second >= offset + scale - NEAR).all():
            continue  # it clips nothing
        if step.kind != "scale":
            found = f"{step.kind} after Tanh"
            raise RefusedError(path, "graph", found, "numbers that scale", MEND)
        scale, offset = scale * step.first, offset * step.first + step.second
    if not (_near(offset - scale, low) and _near(offset + scale, high)):
        found = f"from {(offset - scale).tolist()} to {(offset + scale).tolist()}"
        expected = f"{low.tolist()} to {high.tolist()}, as action={action} says"
        mend = "say action=scaled in OPTIONS if [-1, 1] stands for the world's bounds"
        raise RefusedError(path, "action", found, expected, mend)


def _near(
    numbers: np.ndarray[tuple[int], np.dtype[np.floating]],
    bounds: np.ndarray[tuple[int], np.dtype[np.floating]],
) -> bool:
    """Whether numbers, or one for all, are the bounds."""
    close = np.abs(numbers - bounds) <= NEAR * np.maximum(1, np.abs(bounds))
    return bool(close.all())
