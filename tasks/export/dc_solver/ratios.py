"""DC-Solver's search of ratios, and the polynomial that predicts them.

Greedy, step by step: ratio_i <- argmin of the mean squared difference between the state
at node i + 1, after predictor and corrector, and a fine reference from the same noise.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.export.cores.plan import Nodes, ddim, nodes_at
from tasks.export.cores.schedule import CLEAN, Floats, Schedule
from tasks.export.cores.unipc_sums import POINTS, Form, segment
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
    for one in (noise, rows):
        if one is not None:
            digest.update(f"{one.dtype} {tuple(one.shape)}\n".encode())
            digest.update(one.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fine_times(nodes: Nodes, fine: int, whole: bool) -> Floats:
    """Times of a reference, the nodes among them.

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
    """Follow a DDIM.

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
    """Ratios, and how far from the reference each step ended.

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
    found = Found([], [], [])
    with torch.no_grad():
        follow([first], registers, network, kind)
    for i in range(nodes.steps):
        wanted = reference.at(float(nodes.time[i + 1]))

        def off(ratio: Tensor | float, i: int = i, wanted: Tensor = wanted) -> Tensor:
            """The loss, and the gradient through the corrector's call."""
            told = dict(registers)
            follow(segment(nodes, i, [*history], ratio, form), told, network, kind)
            return (told[nodes.state(i + 1)] - wanted).square().mean()

        ratio = 1.0
        if i >= POINTS and iterations:
            ratio = _descend(off, noise.dtype, iterations, rate)
        with torch.no_grad():
            found.before.append(off(1.0).item())
            found.after.append(off(ratio).item())
            steps = segment(nodes, i, history, ratio, form)
            follow(steps, registers, network, kind)
        found.ratios.append(ratio)
    return found


def _descend(
    off: Callable[[Tensor], Tensor], dtype: torch.dtype, iterations: int, rate: float
) -> float:
    """AdamW from 1."""
    ratio = torch.ones((), dtype=dtype, requires_grad=True)
    optimiser = torch.optim.AdamW([ratio], lr=rate)
    with torch.enable_grad():
        for _ in range(iterations):
            optimiser.zero_grad()
            off(ratio).backward()  # type: ignore[no-untyped-call]
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


def fit(found: Sequence[tuple[int, float, Sequence[float]]]) -> Floats:
    """The 36 coefficients, by least squares on (N, w, ratios).

    The smallest that fit, where the grid does not say: with one w its powers cannot be
    told apart. The first two ratios are 1 by definition and not fitted.

    Raises:
        RefusedError: If no step count has a third step, or a ratio is not finite.
    """
    seen = [(features(n, w)[POINTS:], np.array(r)[POINTS:]) for n, w, r in found]
    x = np.concatenate([one for one, _ in seen])
    y = np.concatenate([one for _, one in seen])
    if not len(y) or not np.all(np.isfinite(y)):
        raise RefusedError(
            "params.yaml",
            "export.dc_solver.predict",
            [n for n, _, _ in found],
            "step counts of at least 3 with finite ratios",
            "name larger step counts",
        )
    return np.linalg.lstsq(x, y, rcond=None)[0]


def predict(coefficients: Floats, steps: int, weight: float) -> list[float]:
    """Ratios of any N and guidance w; the first two are 1."""
    ratios = features(steps, weight) @ coefficients
    ratios[:POINTS] = 1.0
    return [float(ratio) for ratio in ratios]
