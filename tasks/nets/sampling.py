"""Samplers as data: a list of network calls and weighted sums.

A diffusion or flow policy turns noise into an action by calling its network a few
times. Every sampler here is such a straight-line program, a :class:`Plan`, whose
numbers depend on the noise schedule and the nodes alone. It is made once, travels in
policy.json, runs in torch and is unrolled into the ONNX graph; at run time no sampler
has code of its own, and its randomness is an input.

Plans are made by the samplers of ``tasks/export`` and, for training, by :func:`ddpm`.

Notation (DDPM, Ho, Jain, Abbeel 2020, arXiv 2006.11239): x = alpha * data + sigma *
noise, variance preserving: alpha^2 = abar, sigma^2 = 1 - abar.
Shapes: S seeds, B batch, A action.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.files import json_sha256

KINDS = ("noise", "data", "velocity")  # what a network predicts


@dataclass(frozen=True)
class Call:
    """Call the network at a state and turn its prediction into the kind asked for.

    Attributes:
        out: Register of the result, (S, B, A).
        state: Register of x.
        time: As the network was trained to be told; fractions are allowed.
        alpha: Of x at that time.
        sigma: Of x at that time.
        gives: ``data`` (the clean action it believes in), ``noise`` or ``velocity``.
        clip: Clip the data to [-1, 1], and recompute the noise from it.
    """

    out: str
    state: str
    time: float
    alpha: float
    sigma: float
    gives: str
    clip: bool = False


@dataclass(frozen=True)
class Sum:
    """A register becomes a weighted sum of registers.

    Attributes:
        out: The register.
        terms: (register, weight); ``noise0``, ``noise1``... are the plan's noises.
    """

    out: str
    terms: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Plan:
    """A sampler.

    Attributes:
        name: Of the method.
        steps: In their order; the register ``action`` is the result, in [-1, 1] but
            for what the policy clips.
        noises: How many standard normal (S, B, A) it takes; ``noise0`` is where it
            begins, the others enter on the way.
    """

    name: str
    steps: tuple[Call | Sum, ...]
    noises: int

    @property
    def calls(self) -> int:
        """Network calls (NFE)."""
        return sum(isinstance(step, Call) for step in self.steps)

    def spec(self) -> dict[str, Any]:
        """The plan as JSON holds it, for policy.json."""
        return {
            "name": self.name,
            "noises": self.noises,
            "steps": [asdict(step) for step in self.steps],
        }

    @property
    def sha256(self) -> str:
        """Hash of its spec, by which a contract and the files beside it name it."""
        return json_sha256(self.spec())

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Plan":
        """The plan that a spec describes."""
        steps: list[Call | Sum] = [
            Sum(step["out"], tuple((str(r), float(w)) for r, w in step["terms"]))
            if "terms" in step
            else Call(**step)
            for step in spec["steps"]
        ]
        return cls(spec["name"], tuple(steps), spec["noises"])


# (x (S, B, A), time) -> the network's prediction, (S, B, A)
Network = Callable[[Tensor, float], Tensor]


def run(plan: Plan, network: Network, kind: str, noise: Sequence[Tensor]) -> Tensor:
    """Sample, differentiable through every call.

    Args:
        plan: The sampler.
        network: With the observation already inside.
        kind: What it predicts, one of ``KINDS``.
        noise: As many (S, B, A) as the plan takes.

    Returns:
        (S, B, A).
    """
    registers = {f"noise{i}": draw for i, draw in enumerate(noise)}
    follow(plan.steps, registers, network, kind)
    return registers["action"]


def follow(
    steps: Sequence[Call | Sum],
    registers: dict[str, Tensor],
    network: Network,
    kind: str,
) -> None:
    """Run a part of a plan; what it makes is added to ``registers``.

    A weight may be a tensor without axes: results then have a gradient to it.
    """
    for step in steps:
        if isinstance(step, Sum):
            parts = [registers[name] * weight for name, weight in step.terms]
            registers[step.out] = torch.stack(parts).sum(0) if parts[1:] else parts[0]
        else:
            x = registers[step.state]
            registers[step.out] = converted(step, kind, x, network(x, step.time))


def converted(step: Call, kind: str, x: Tensor, predicted: Tensor) -> Tensor:
    """What a call gives, from its network's prediction.

    data = (x - sigma noise) / alpha, noise = (x - alpha data) / sigma.

    Args:
        step: The call.
        kind: What the network predicts, one of ``KINDS``.
        x: Where it was called, (S, B, A).
        predicted: Its prediction, (S, B, A).

    Raises:
        ValueError: If a velocity should become something else.
    """
    if kind == step.gives and not (step.clip and kind == "noise"):
        return predicted.clamp(-1, 1) if step.clip else predicted
    if kind == "noise":
        data = (x - step.sigma * predicted) / step.alpha
    elif kind == "data":
        data = predicted
    else:
        raise ValueError("a velocity is not converted")
    if step.clip:
        data = data.clamp(-1, 1)
    if step.gives == "data":
        return data
    return (x - step.alpha * data) / step.sigma


def variance_preserving(
    steps: int, low: float = 0.1, high: float = 10.0
) -> NDArray[np.float64]:
    """DQL's schedule: abar of times 0..steps-1, float64, decreasing.

    alpha_k = exp(-low/K - (high - low)/2 * (2k - 1)/K^2) for k = 1..K; abar is their
    cumulative product (Wang, Hunt, Zhou 2023; numbers from the authors' code).

    Args:
        steps: K, at least 1.
        low: Rate of noise at the clean end.
        high: At the noisy end.
    """
    k = np.arange(1, steps + 1, dtype=np.float64)
    alpha = np.exp(-low / steps - 0.5 * (high - low) * (2 * k - 1) / steps**2)
    abar: NDArray[np.float64] = np.multiply.accumulate(alpha)
    return abar


def ddpm(abar: Sequence[float], clip: bool = True) -> Plan:
    """Ancestral sampling through every time of a schedule, as a policy is trained with.

    From node i to the next cleaner one: x <- c1 * data + c2 * x + s * z, the mean and
    variance of q(x_{k-1} | x_k, data) (Ho et al., equations 6 and 7); no noise at the
    last step.

    Args:
        abar: (K,), decreasing in time.
        clip: Clip the data estimate at every call.
    """
    steps: list[Call | Sum] = []
    state = "noise0"
    for k in range(len(abar) - 1, -1, -1):
        here, after = abar[k], abar[k - 1] if k else 1.0
        kept = here / after  # alpha_k of the one step
        data, out = f"data{k}", f"x{k}" if k else "action"
        alpha, sigma = math.sqrt(here), math.sqrt(1 - here)
        steps.append(Call(data, state, float(k), alpha, sigma, "data", clip))
        terms = [
            (data, math.sqrt(after) * (1 - kept) / (1 - here)),
            (state, math.sqrt(kept) * (1 - after) / (1 - here)),
        ]
        if k:
            deviation = math.sqrt((1 - after) / (1 - here) * (1 - kept))
            terms.append((f"noise{len(abar) - k}", deviation))
        steps.append(Sum(out, tuple(terms)))
        state = out
    return Plan("ddpm", tuple(steps), len(abar))
