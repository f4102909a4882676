"""PTQ4DM: a diffusion policy in whole numbers, calibrated along its own chain.

Shang, Yuan, Xie, Wu, Yan, "Post-training Quantization on Diffusion Models" (CVPR 2023,
arXiv 2211.15736); numbers and order from the authors' code, github.com/42Shawn/PTQ4DM
at 180a4d1. What a network's layers get as input changes with the time it is called at.
So ranges are found on states of the backward process of the float model, T times long,
each with its own time, drawn from a normal distribution that leans to the clean end:

    t     ~ round N(mean T, std T), clipped to 0..T-1;      states: pairs (x_t, t)
    s     = (high - low) / (2^b - 1),  z = clip(round(-low / s), 0, 2^b - 1)
    v_hat = (clip(round(v / s) + z, 0, 2^b - 1) - z) s
    range = argmin_k mean |v - v_hat|^2.4, k = 1..100, of [-r, r], r = k/100 max |v|
            ([0, r] where all v >= 0, [-r, 0] where all v <= 0)
    over batches of 256 states: low, high = 0.9 old + 0.1 new

Weights are rounded first, a range an output unit; then, with rounded weights, inputs, a
range a tensor. First and last layer have 8 bits whatever the others have. Nothing is
trained. Activations between layers, the network's output and the sampler's sums stay
float: float64, as in float32 torch and onnxruntime would round some inputs differently.
Any sampler can call the result.

| arm | states x, times t |
|---|---|
| ``ndtc`` | the above |
| ``uniform`` | of the chain, t evenly drawn |
| ``noisy``, ``middle``, ``clean`` | of the chain, all at t = T-1, T // 2 or 0 |
| ``noise`` | standard normal, t evenly drawn |
| ``mismatch`` | of the chain after loop step t, as the released script has it |

It differs from the reference: pairs are matched (the script's are ``mismatch``). What
is rounded is what goes into a layer, as an integer product needs, instead of what comes
out of the layer before: between both lies the activation alone. State, time and
observation go into the first layer side by side and are three tensors with a range
each. Time embeddings are constants of a file, so their own layers stay float. States of
calibration are those of the policy's training sampler, through all its times. The
optional reconstruction with AdaRound and QDrop is left out, as is the paper's UNet on
images: no room here trains one. Arms on raw and on diffused data need logged actions,
which compressors do not see; the claim's bed has them.

``ofql`` calls its network once, at time 1: its chain is that one state, T = 1.
"""

import warnings
from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Range
from tasks.compress import CalibratedParams, Compressor, Result
from tasks.compress.cores.rows import Rows
from tasks.compress.ptq4dm.ranges import Bits, quantised
from tasks.compress.ptq4dm.states import OWN, Draw, call_times, states
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import stack, take

LEAN = 0.5  # largest mean of the times, in T


@dataclass(frozen=True)
class PTQ4DMParams(CalibratedParams):
    """Parameters of ``ptq4dm``; units stand in params/compress/ptq4dm.yaml."""

    bits: Annotated[int, Range(2, 8)]
    activation_bits: Annotated[int, Range(2, 8)]
    arm: Annotated[str, OneOf(OWN)]
    mean: Annotated[float, Range(0, 1)]
    std: Annotated[float, Range(0, 100, open=True)]
    search: bool
    batch: Annotated[int, Range(1, 2**20)]

    def __post_init__(self) -> None:
        """Also refuse fewer rows than a batch, and warn of times that lean to noise."""
        super().__post_init__()
        if self.rows < self.batch:
            expected = f"at least a batch, {self.batch}"
            raise RefusedError(PARAMS, "rows", self.rows, expected, "raise rows")
        if self.mean > LEAN:
            warnings.warn(
                f"compress.ptq4dm.mean: {self.mean} contradicts the method, whose "
                f"times lean to the clean end; {LEAN} is taken",
                stacklevel=2,
            )


class PTQ4DM(Compressor[PTQ4DMParams]):
    """Static W8A8 and below, seed by seed."""

    policies = (DiffusionPolicy,)

    @property
    def bits(self) -> float:
        """Bits of the weights between the first and the last layer."""
        return self.params.bits

    def work(self, policy: Any, rows: Rows) -> Result:
        """Run each seed's chain, and round its network by the layers' inputs there."""
        p = self.params
        bits = Bits(p.bits, p.activation_bits, p.search, p.batch)
        count = len(rows.observations)
        if count < p.batch:
            expected, mend = (
                f"at least a batch, {p.batch}",
                "lower compress.ptq4dm.batch",
            )
            raise RefusedError("calibration rows", "rows", count, expected, mend)
        mean, integer = min(p.mean, LEAN), []
        for k, seed in enumerate(rows.seeds):
            alone = take(policy, k)
            draw = Draw(p.arm, mean, p.std, seed)
            calibration = states(alone, rows.observations, draw)
            integer.append(quantised(alone, calibration, bits))
        what = f"{count} states by {p.arm}, {len(call_times(policy))} times"
        if p.arm in ("ndtc", "mismatch"):
            what += f", mean {mean:g} T, deviation {p.std:g} T"
        what += ", ranges searched" if p.search else ", ranges from min to max"
        return Result(stack(integer), what, policy)
