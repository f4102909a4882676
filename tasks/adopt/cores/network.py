"""A chain of layers as it was read, and the policy it becomes.

| head | what the last layer gives | action |
|---|---|---|
| ``tanh`` | z, clipped to a limit where there is one | tanh(z), scaled to the bounds |
| ``clip`` | z | z clipped to [-1, 1], scaled to the bounds |
| ``world`` | the action in units of the world | clipped to the bounds |
| ``categorical`` | a number an action: logits, or values | the largest one's number |

``world`` becomes ``clip``: its last layer is divided by the scale of the bounds, which
moves actions by less than 1e-6 of half their range.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.adopt.cores.normaliser import Normaliser
from tasks.adopt.cores.spaces import Spaces
from tasks.artifacts.errors import RefusedError
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]  # weight (I, N), bias (N,)
Refused = Callable[[str, Any, Any], RefusedError]  # of a field: found, expected


@dataclass(frozen=True)
class Network:
    """What a method read.

    Attributes:
        kind: What it is, in words: ``Stable-Baselines3 SAC``.
        layers: In the order they run.
        activation: Between them, ``relu`` or ``tanh``.
        head: One of the table above.
        limit: What a tanh head clips z to, above 0; None: it does not.
        normaliser: Inside the file; None where there is none.
    """

    kind: str
    layers: Sequence[Layer]
    activation: str
    head: str
    limit: float | None = None
    normaliser: Normaliser | None = None


def policy_of(
    network: Network, given: Normaliser | None, spaces: Spaces, file: Path, mend: str
) -> Feedforward:
    """The policy of a network, of one seed.

    Args:
        network: What was read.
        given: A normaliser that lies beside the network.
        spaces: Of the world.
        file: The user's, for errors.
        mend: What the user can do about another shape.

    Raises:
        RefusedError: If widths, kind of action or normaliser are not the world's, or a
            number is not finite.
    """

    def refused(field: str, found: Any, expected: Any) -> RefusedError:
        return RefusedError(file, field, found, expected, mend)

    _check_layers(network, spaces, refused)
    if given and network.normaliser:
        raise refused("normaliser", "one inside and one beside it", "one of them")
    normaliser = given or network.normaliser or Normaliser.none(spaces.observation)
    if len(normaliser.mean) != spaces.observation:
        found = len(normaliser.mean)
        raise refused("normaliser, width", found, spaces.observation)
    return _assembled(network, normaliser, spaces)


def _check_layers(network: Network, spaces: Spaces, refused: Refused) -> None:
    """Refuse what is no chain, of other widths than the world's, or not finite."""
    if not network.layers:
        raise refused("layers", "none", "at least one")
    if (network.head == "categorical") != spaces.discrete:
        kinds = {True: "discrete actions", False: "continuous actions"}
        there = kinds[network.head == "categorical"]
        raise refused("action", there, f"{kinds[spaces.discrete]}, as the world's")
    widths = [len(network.layers[0][0]), *(len(bias) for _, bias in network.layers)]
    inputs = [len(weight) for weight, _ in network.layers]
    if inputs != widths[:-1]:
        raise refused("layers", f"inputs {inputs} after outputs {widths}", "a chain")
    if widths[0] != spaces.observation:
        expected = f"{spaces.observation}, as the world's"
        if spaces.observation and widths[0] % spaces.observation == 0:
            expected += "; frames that are stacked are not supported"
        raise refused("observation width", widths[0], expected)
    if widths[-1] != spaces.action:
        raise refused("action width", widths[-1], f"{spaces.action}, as the world's")
    for i, (weight, bias) in enumerate(network.layers):
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise refused(f"layer {i}", "a number that is not finite", "finite numbers")


def _assembled(network: Network, normaliser: Normaliser, spaces: Spaces) -> Feedforward:
    """The policy of what has been checked."""
    pairs = [(weight.copy(), bias.copy()) for weight, bias in network.layers]
    head = network.head
    if head == "world":
        low, high = spaces.low.astype(np.float64), spaces.high.astype(np.float64)
        scale, offset = (high - low) / 2, (high + low) / 2
        scale = np.where(scale > 0, scale, 1)  # a locked joint
        weight, bias = pairs[-1]
        pairs[-1] = weight / scale, (bias - offset) / scale
        head = "clip"
    layers = []
    for weight, bias in pairs:
        layer = Linear(1, *weight.shape)
        layer.weight.data.copy_(torch.from_numpy(weight)[None])
        layer.bias.data.copy_(torch.from_numpy(bias)[None, None])
        layers.append(layer)
    policy = Feedforward(
        layers,
        head,
        torch.from_numpy(normaliser.mean),
        torch.from_numpy(normaliser.std),
        torch.from_numpy(spaces.low.copy()),
        torch.from_numpy(spaces.high.copy()),
        activation=network.activation,
        observation_limit=normaliser.limit,
        limit=network.limit,
    )
    return policy.requires_grad_(requires_grad=False)
