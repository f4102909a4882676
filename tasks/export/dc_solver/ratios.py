"""DC-Solver's search of ratios, and the polynomial that predicts them.

Greedy, step by step, by AdamW from ratio 1; x_{i+1} is the state after predictor and
corrector, x_ref a fine reference from the same noise, the mean over samples and
actions:

    ratio_i <- argmin_ratio mean (x_{i+1}(ratio) - x_ref(t_{i+1}))^2
    ratio(i; N, w) = sum_{k<4} (i/N)^k sum_{p<3} (w/12)^p sum_{q<3} (N/50)^q C_kpq

The second line is the paper's CPR, linear in C and fitted by least squares.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.export.cores.ddim_plan import ddim
from tasks.export.cores.schedule import CLEAN, Floats, Schedule
from tasks.export.cores.time_grid import Nodes, nodes_at
from tasks.export.cores.unipc_plan import POINTS, Form, segment
from tasks.nets.sampling import Network, follow

MEND = "report it: the samples were mixed up"
POWERS = (4, 3, 3)  # of i/N, w/12 and N/50 in the polynomial
SCALES = (12.0, 50.0)  # of w and N


@dataclass(frozen=True)
class Reference:
    """States of a fine DDIM on its way.

    Attributes:
        times: (M,), falling.
        states: (S, B, A) at each.
        sha256: Of the noise it began with and the rows the network saw.
    """

    times: tuple[float, ...]
    states: tuple[Tensor, ...]
    sha256: str

    def at(self, time: float) -> Tensor:
        """The state at a time that is one of its own.

        Raises:
            RefusedError: If it does not pass there.
        """
        if time not in self.times:
            raise RefusedError(
                "reference", "times", time, "a time the reference passes", MEND
            )
        return self.states[self.times.index(time)]


def fingerprint(noise: Tensor, rows: Tensor | None) -> str:
    """What ties a reference to its noise and its observations, as hex."""
    digest = hashlib.sha256()
    for tensor in (noise, rows):
        if tensor is not None:
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fine_times(nodes: Nodes, fine: int, whole: bool) -> Floats:
    """Times of a fine reference, the sampler's nodes among them.

    Args:
        nodes: Of the sampler that is to follow it.
        fine: Steps at least, as many in each step of the sampler.
        whole: All whole times instead, however many.
    """
    if whole:
        times = np.arange(nodes.time[0], -1, -1, dtype=np.float64)
        return np.append(times, CLEAN) if nodes.clean else times
    each = -(-fine // nodes.steps)
    time = nodes.time
    if nodes.clean:  # a table says nothing of what lies between 0 and clean
        time = time[:-1] if time[-2] == 0 else np.append(time[:-1], 0.0)
    parts = [np.linspace(a, b, each, endpoint=False) for a, b in pairwise(time)]
    return np.concatenate([*parts, time[-1:], [CLEAN] if nodes.clean else []])


def trace(
    schedule: Schedule,
    times: Sequence[float] | Floats,
    network: Network,
    kind: str,
    noise: Tensor,
    rows: Tensor | None,
    clip: bool,
) -> Reference:
    """Follow a fine DDIM and keep its states.

    Args:
        schedule: Of the noise.
        times: Where it calls.
        network: With ``rows`` inside.
        kind: What the network predicts.
        noise: (S, B, A).
        rows: Observations the network sees; None if it sees none.
        clip: Clip the data at every call.
    """
    nodes = nodes_at(schedule, times)
    registers = {"noise0": noise}
    with torch.no_grad():
        follow(ddim(nodes, "ddim", clip=clip).steps, registers, network, kind)
    states = [registers[nodes.state(i)] for i in range(len(nodes.time))]
    return Reference(
        tuple(nodes.time.tolist()), tuple(states), fingerprint(noise, rows)
    )


@dataclass(frozen=True)
class Found:
    """Ratios a search found, and how far from the reference each step ended.

    Attributes:
        ratios: (N,).
        before: (N,), mean squared difference with ratio 1, from the state reached.
        after: (N,), with the ratio found.
    """

    ratios: list[float]
    before: list[float]
    after: list[float]


def search(
    nodes: Nodes,
    form: Form,
    network: Network,
    kind: str,
    noise: Tensor,
    rows: Tensor | None,
    reference: Reference,
    iterations: int,
    rate: float,
) -> Found:
    """Find the ratios; the same inputs give the same ones.

    Args:
        nodes: Of the sampler.
        form: Which UniPC.
        network: With ``rows`` inside; differentiable in x.
        kind: What it predicts.
        noise: (S, B, A), of the samples.
        rows: Observations the network sees; None if it sees none.
        reference: From the same noise and rows.
        iterations: Of AdamW a ratio, from 1; torch's weight decay, 0.01.
        rate: Of AdamW.

    Raises:
        RefusedError: If the reference began with other noise or observations.
    """
    if reference.sha256 != fingerprint(noise, rows):
        raise RefusedError(
            "reference",
            "sha256",
            reference.sha256,
            f"{fingerprint(noise, rows)}, of the same noise and observations",
            MEND,
        )
    registers, history = {"noise0": noise}, ["m0"]
    first = nodes.call(0, "m0", "noise0", "data", form.clip)
    result = Found([], [], [])
    with torch.no_grad():
        follow([first], registers, network, kind)
    for i in range(nodes.steps):
        target = reference.at(float(nodes.time[i + 1]))

        def loss(ratio: Tensor | float, i: int = i, target: Tensor = target) -> Tensor:
            """Mean squared difference, with a gradient through the corrector's call."""
            trial = dict(registers)
            follow(segment(nodes, i, [*history], ratio, form), trial, network, kind)
            return (trial[nodes.state(i + 1)] - target).square().mean()

        ratio = 1.0
        if i >= POINTS and iterations:
            ratio = _descend(loss, noise.dtype, iterations, rate)
        with torch.no_grad():
            result.before.append(loss(1.0).item())
            result.after.append(loss(ratio).item())
            steps = segment(nodes, i, history, ratio, form)
            follow(steps, registers, network, kind)
        result.ratios.append(ratio)
    return result


def _descend(
    loss: Callable[[Tensor], Tensor], dtype: torch.dtype, iterations: int, rate: float
) -> float:
    """The ratio that AdamW reaches from 1."""
    ratio = torch.ones((), dtype=dtype, requires_grad=True)
    optimiser = torch.optim.AdamW([ratio], lr=rate)
    with torch.enable_grad():
        for _ in range(iterations):
            optimiser.zero_grad()
            loss(ratio).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return ratio.item()


def features(steps: int, weight: float) -> Floats:
    """(N, 36): (i/N)^k (w/12)^p (N/50)^q of i = 1..N, k < 4, p < 3, q < 3."""
    i = np.arange(1, steps + 1) / steps
    w, n = weight / SCALES[0], steps / SCALES[1]
    parts = (
        np.vander(i, POWERS[0], increasing=True)[:, :, None, None],
        np.vander([w], POWERS[1], increasing=True)[0][:, None],
        np.vander([n], POWERS[2], increasing=True)[0],
    )
    return (parts[0] * parts[1] * parts[2]).reshape(steps, -1)


def fit(searches: Sequence[tuple[int, float, Sequence[float]]]) -> Floats:
    """The 36 coefficients, by least squares on (N, w, ratios).

    The smallest that fit, where the grid does not say: with one w its powers cannot be
    told apart. The first two ratios are 1 by definition and not fitted.

    Raises:
        RefusedError: If no step count has a third step, or a ratio is not finite.
    """
    x = np.concatenate([features(n, w)[POINTS:] for n, w, _ in searches])
    y = np.concatenate([np.array(ratios)[POINTS:] for _, _, ratios in searches])
    if not len(y) or not np.all(np.isfinite(y)):
        raise RefusedError(
            "params.yaml",
            "export.dc_solver.predict",
            [n for n, _, _ in searches],
            "step counts of at least 3 with finite ratios",
            "name larger step counts",
        )
    return np.linalg.lstsq(x, y, rcond=None)[0]


def predict(coefficients: Floats, steps: int, weight: float) -> list[float]:
    """Ratios of any N and guidance w; the first two are 1."""
    ratios = features(steps, weight) @ coefficients
    ratios[:POINTS] = 1.0
    return [float(ratio) for ratio in ratios]
