"""Fit one network to a loss of its outputs: there and back without autograd.

A loss whose gradient by the outputs is known needs no graph of operations: the
network's kernels go forward, the loss says which way its outputs should move, and the
kernels go back, into the memory that the optimiser reads. Where kernels do not serve
(:mod:`tasks.nets.perceptron`), autograd takes the same gradient through the network.

Shapes: S seeds, B batch, E members, I inputs, A outputs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP, Linear, weights_of
from tasks.nets.optimisers import Adam
from tasks.nets.perceptron import Pass

Network = MLP | Feedforward


class Loss(NamedTuple):
    """A loss and its gradient.

    Attributes:
        each: The seeds' losses, (S,).
        slopes: Gradient of their sum by the network's outputs, in their shape; then by
            each further parameter that the loss depends on.
    """

    each: Tensor
    slopes: tuple[Tensor, ...]


def fit(
    optimiser: Adam,
    network: Network,
    inputs: Sequence[Tensor],
    loss: Callable[[Tensor], Loss],
    beside: Sequence[nn.Parameter] = (),
) -> tuple[Tensor, Tensor]:
    """Step an optimiser down the gradient of the losses, summed over seeds.

    Args:
        optimiser: Of the network's parameters in their order, then those beside.
        network: An ensemble's loss is of all members.
        inputs: (S, B, I), whole or in parts of its columns.
        loss: Given the outputs, (S, B, A) or (S, E, B, A), the last axis gone where A
            is 1; of a policy with a tanh head its action in [-1, 1], with a clip head
            what is not yet clipped. Asked without gradients.
        beside: What else the loss depends on and the optimiser moves.

    Returns:
        The losses before the step (S,), and the outputs.
    """
    layers = kernels_layers(network)
    optimiser.stay()
    own = weights_of(layers) if layers else None
    if own is None or not own.serve(inputs[0]):
        return _by_autograd(optimiser, network, inputs, loss, beside)
    with torch.no_grad():
        way = Pass(own, inputs)
        y = _shaped(network, way.forward(keep=True), way.sources)
        each, slopes = loss(y)
        above = slopes[0]
        if _tanh(network):
            above = torch.ops.aten.tanh_backward(above, y)
        way.backward(above.contiguous(), None, optimiser.gradient)
        if beside:
            places = optimiser.gradients[len(own.tensors) :]
            for place, slope in zip(places, slopes[1:], strict=True):
                place.copy_(slope)
        optimiser.move()
    return each, y


def _by_autograd(
    optimiser: Adam,
    network: Network,
    inputs: Sequence[Tensor],
    loss: Callable[[Tensor], Loss],
    beside: Sequence[nn.Parameter],
) -> tuple[Tensor, Tensor]:
    """As :func:`fit`, for any network, type and device."""
    with torch.enable_grad():
        y = _outputs(network, inputs)
    with torch.no_grad():
        each, (above, *slopes) = loss(y.detach())
    of = optimiser.parameters[: len(optimiser.parameters) - len(beside)]
    optimiser.step([*torch.autograd.grad(y, of, above), *slopes])
    return each, y.detach()


def outputs(network: Network, *inputs: Tensor) -> Tensor:
    """A network's outputs, without gradients.

    Args:
        network: As of :func:`fit`.
        *inputs: As there.

    Returns:
        What the loss gets there.
    """
    layers = kernels_layers(network)
    own = weights_of(layers) if layers else None
    with torch.no_grad():
        if own is None or not own.serve(inputs[0]):
            return _outputs(network, inputs)
        way = Pass(own, inputs)
        return _shaped(network, way.forward(keep=False), way.sources)


def climb(
    network: MLP,
    inputs: Sequence[Tensor],
    choose: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """What an ensemble with one output says, and its gradient by the last inputs.

    Args:
        network: Of E members.
        inputs: Parts (S, B, ...) of the columns of its inputs.
        choose: From all members' outputs (S, E, B) to (S, B), e.g. their least; by
            default the first member's, and no other is asked.

    Returns:
        Outputs (S, B), and the gradient of their sum by the last part, in its shape.
    """
    *others, last = inputs
    own = weights_of(network.plain) if network.plain else None
    if own is None or choose or not own.serve(last):
        with torch.enable_grad():
            leaf = last.detach().requires_grad_()
            x = torch.cat([*others, leaf], -1)
            y = choose(network(x).squeeze(-1)) if choose else network.member(x, 0)
            (slope,) = torch.autograd.grad(y.sum(), leaf)
        return y.detach().view(slope.shape[:2]), slope
    way = Pass(own, inputs, 0, network.members)
    y = way.forward(keep=True)
    slope = torch.empty(*y.shape[:2], own.widths[0])
    way.backward(torch.ones_like(y), slope, None)
    return y.squeeze(-1), slope[..., -last.shape[-1] :]


def kernels_layers(network: Network) -> Sequence[Linear] | None:
    """The layers of a network that kernels know; None if they do not."""
    if isinstance(network, MLP):
        return network.plain
    layers = list(network.layers)
    known = network.head in ("tanh", "clip")
    known = known and all(type(layer) is Linear for layer in layers)
    return layers if known else None


def _tanh(network: Network) -> bool:
    return isinstance(network, Feedforward) and network.head == "tanh"


def _outputs(network: Network, inputs: Sequence[Tensor]) -> Tensor:
    x = inputs[0] if len(inputs) == 1 else torch.cat(list(inputs), -1)
    if isinstance(network, Feedforward):
        clip = network.head == "clip"
        return network.preactivation(x) if clip else network.squashed(x)
    y = network(x)
    return y.squeeze(-1) if y.shape[-1] == 1 else y


def _shaped(network: Network, y: Tensor, seeds: int) -> Tensor:
    """(K, B, A) as the loss gets it; may be changed in place."""
    if isinstance(network, Feedforward):
        return y.tanh_() if network.head == "tanh" else y
    y = network.shaped(y, seeds)
    return y.squeeze(-1) if y.shape[-1] == 1 else y
