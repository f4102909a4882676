"""Adam, target networks and gradient clipping for stacked networks.

Seeds lie along the first axis of every tensor and share no parameter. Nothing here
knows what a network is trained for.

The parameters that move together lie one after the other in one piece of memory, and
each nn.Parameter is a view of its part. So a step of Adam, or of a target network, is
one pass over memory and not some operations a tensor.

Shapes: S seeds, E members of an ensemble; a stack has S or S * E slices, seed by seed.
P numbers of all parameters together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

AnyModule = TypeVar("AnyModule", bound=nn.Module)
Counts = np.ndarray[Any, np.dtype[np.int64]]
# of all seeds, or one each, (S,); the slices of a seed share it
Rate = float | Sequence[float] | Tensor

PREFIX = "optimiser/"  # of an optimiser's tensors in a checkpoint
TINY = 1e-6  # added to a norm before dividing by it, as torch's own clipping does
MOMENTS = ("mean", "square")


class Run:
    """Parameters that lie one after the other in one piece of memory.

    Args:
        parameters: float32, on one device; their numbers are moved there.

    Attributes:
        parameters: As given.
        flat: (P,), what they are views of.
        sizes: Elements of each.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.sizes = np.array([p.numel() for p in self.parameters], np.int64)
        self.flat = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        for parameter, view in zip(self.parameters, self.views(self.flat), strict=True):
            parameter.data = view
        self.ends = _ends(self.parameters)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Parts of a tensor (P,) in the shapes of the parameters."""
        parts = torch.split(flat, self.sizes.tolist())
        pairs = zip(parts, self.parameters, strict=True)
        return [part.view(parameter.shape) for part, parameter in pairs]

    @property
    def holds(self) -> bool:
        """Whether the parameters still lie here: a module may have been moved."""
        return _ends(self.parameters) == self.ends


def _ends(parameters: Sequence[nn.Parameter]) -> tuple[int, int]:
    """Where in memory the first and the last parameter begin."""
    return parameters[0].data_ptr(), parameters[-1].data_ptr()


class Adam:
    """Adam (Kingma & Ba 2015, arXiv 1412.6980): betas 0.9 and 0.999, eps 1e-8.

    Args:
        parameters: What it moves, float32; they become views of one piece of memory.
        rate: Learning rate, >= 0.
        decay: Share of a weight, times the rate, that a step takes off it before
            (AdamW, Loshchilov & Hutter 2019, arXiv 1711.05101), >= 0.

    Attributes:
        rate: May be set before any step, to one number or one a seed.
        parameters: What it moves. Their ``grad`` are views of one piece of memory too.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: Rate, decay: float = 0.0
    ) -> None:
        self.rate, self.decay, self.steps = rate, decay, 0
        self._lay(list(parameters))
        self.moments = [torch.zeros_like(self.run.flat) for _ in MOMENTS]
        self.number = np.zeros((), np.float32)  # steps, where torch's kernel reads them
        self.count = torch.from_numpy(self.number)

    def _lay(self, parameters: list[nn.Parameter]) -> None:
        """Put the parameters into one piece of memory, where they are now."""
        self.parameters, self.run = parameters, Run(parameters)
        self.gradient = torch.zeros_like(self.run.flat)
        self.gradients = self.run.views(self.gradient)
        for parameter, gradient in zip(parameters, self.gradients, strict=True):
            parameter.grad = gradient

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Move all parameters.

        Args:
            gradients: One a parameter, of its shape, however it lies in memory.
        """
        self.stay()
        with torch.no_grad():
            torch._foreach_copy_(self.gradients, list(gradients))
        self.move()

    def stay(self) -> None:
        """Lay everything out anew if the module went to another device."""
        if not self.run.holds:
            self._lay(self.parameters)
            self.moments = [moment.to(self.run.flat) for moment in self.moments]

    def move(self) -> None:
        """Move all parameters by the gradient that lies in ``gradient``, (P,)."""
        self.steps += 1
        if torch.is_grad_enabled():
            with torch.no_grad():
                self._move()
        else:
            self._move()
        increment_version(self.parameters)  # so that autograd refuses older losses

    def _move(self) -> None:
        """The step, from the gradient that is laid out."""
        rate = self.rate
        if not isinstance(rate, float) and len(_rates(rate)) > 1:
            self.move_by_seed()
            return
        flat, (mean, square) = self.run.flat, self.moments
        self.number[()] = self.steps
        count = self.count if flat.device.type == "cpu" else self.count.to(flat.device)
        torch._fused_adamw_(
            *([flat], [self.gradient], [mean], [square], []),
            [count],
            lr=float(_rates(rate)[0]),
            beta1=0.9,
            beta2=0.999,
            weight_decay=self.decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def move_by_seed(self) -> None:
        """The same with a rate for each seed, or one."""
        mean, square = self.moments
        mean.lerp_(self.gradient, 0.1)
        square.mul_(0.999).addcmul_(self.gradient, self.gradient, value=0.001)
        root = square.sqrt().div_(math.sqrt(1 - 0.999**self.steps)).add_(1e-8)
        moves = self.run.views(mean / root / (1 - 0.9**self.steps))
        for parameter, move in zip(self.parameters, moves, strict=True):
            rate = _beside(self.rate, parameter)
            parameter.mul_(1 - self.decay * rate).sub_(move * rate)


def _rates(rate: Rate) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A rate as an array, (1,) or (S,)."""
    return np.atleast_1d(np.asarray(rate, np.float32))


def _beside(rate: Rate, x: Tensor) -> Tensor:
    """A rate as a tensor that can be multiplied with a stacked one, slice by slice."""
    rates = torch.as_tensor(_rates(rate)).to(x)
    whole = rates.repeat_interleave(len(x) // len(rates)) if len(rates) > 1 else rates
    return whole.view(-1, *(1,) * (x.dim() - 1))


def adam(parameters: Iterable[nn.Parameter], rate: Rate, decay: float = 0.0) -> Adam:
    """An optimiser, see :class:`Adam`."""
    return Adam(parameters, rate, decay)


def frozen_copy(module: AnyModule, fresh: AnyModule) -> AnyModule:
    """Turn a fresh network into a target network: same numbers, no gradients.

    Args:
        module: The network that is trained.
        fresh: Another one of the same shape, overwritten.

    Returns:
        ``fresh``, its parameters one after the other in memory.
    """
    fresh.load_state_dict(module.state_dict())
    Run(fresh.parameters())
    return fresh.requires_grad_(False)


class _Laid(NamedTuple):
    """A network's parameters, and the memory (P,) they fill in their order, if so."""

    parameters: list[nn.Parameter]
    sizes: Counts
    ends: tuple[int, int]
    flat: Tensor | None


# looked at once, as walking through a network takes longer than a small one's step
_LAID: WeakKeyDictionary[nn.Module, _Laid] = WeakKeyDictionary()


def _laid(module: nn.Module) -> _Laid:
    known = _LAID.get(module)
    if known and _ends(known.parameters) == known.ends:
        return known
    parameters, flat = list(module.parameters()), None
    sizes = np.array([p.numel() for p in parameters])
    first = parameters[0].detach()
    begins = first.data_ptr() + first.element_size() * (np.cumsum(sizes) - sizes)
    lies = [p.data_ptr() for p in parameters] == begins.tolist()
    if lies and all(p.is_contiguous() for p in parameters):
        flat = first.as_strided((int(sizes.sum()),), (1,))
    _LAID[module] = _Laid(parameters, sizes, _ends(parameters), flat)
    return _LAID[module]


def polyak(target: nn.Module, source: nn.Module, rate: Rate) -> None:
    """Move a target network: target <- (1 - rate) target + rate source, in place.

    Args:
        target: Changed.
        source: The network that is trained.
        rate: Share of the new weights, in [0, 1]; 1 copies. One number, or one a seed.
    """
    into, of = _laid(target), _laid(source)
    rates = _rates(rate)
    with torch.no_grad():
        if into.flat is None or of.flat is None or len(rates) > 1:
            for old, new in zip(into.parameters, of.parameters, strict=True):
                old.lerp_(new, _beside(rate, old).expand_as(old))
            return
        into.flat.lerp_(of.flat, float(rates[0]))
    increment_version(into.parameters)


def clip_by_seed(
    gradients: Sequence[Tensor], largest: float, seeds: int
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Shorten each seed's gradient to a norm of at most ``largest``.

    Args:
        gradients: One tensor a parameter, (S, ...) or (S * E, ...).
        largest: Norm allowed, over all parameters of a seed, > 0.
        seeds: S.

    Returns:
        The gradients, and the norms they had before, (S,).
    """
    flat = [gradient.reshape(seeds, -1) for gradient in gradients]
    norm = torch.stack([g.square().sum(1) for g in flat]).sum(0).sqrt()  # (S,)
    factor = (largest / (norm + TINY)).clamp(max=1)[:, None]
    clipped = tuple(
        (part * factor).view(whole.shape)
        for part, whole in zip(flat, gradients, strict=True)
    )
    return clipped, norm


def optimiser_tensors(optimisers: Mapping[str, Adam]) -> dict[str, Tensor]:
    """All moments and step counts.

    Their names are ``optimiser/<name>/<parameter>/<moment>``, of the shape of the
    parameter, and ``optimiser/<name>/step``.
    """
    tensors = {}
    for name, optimiser in optimisers.items():
        tensors[f"{PREFIX}{name}/step"] = torch.tensor(float(optimiser.steps))
        for moment, flat in zip(MOMENTS, optimiser.moments, strict=True):
            for i, part in enumerate(optimiser.run.views(flat)):
                tensors[f"{PREFIX}{name}/{i}/{moment}"] = part
    return tensors


def restore_optimisers(
    optimisers: Mapping[str, Adam], state: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimiser_tensors` gave; other names are ignored.

    Args:
        optimisers: Of the same parameters, changed.
        state: Tensors by name.
    """
    for name, tensor in optimiser_tensors(optimisers).items():
        tensor.copy_(state[name])
    for name, optimiser in optimisers.items():
        optimiser.steps = int(state[f"{PREFIX}{name}/step"])
