"""8-bit weights and activations with static scales (W8A8), calibrated on dataset rows.

Jacob et al. 2018 (arXiv 1712.05877); onnxruntime's static quantiser (per channel,
MinMax or Percentile) does the same. Of a layer y = x W + b:

    weights:      W = scale_w codes, symmetric, a scale an output unit n,
                  scale_w,n = max |W_n| / top, top = 127, or 63 with 7 bits
    activations:  x = scale_x (q - zero), q in 0..255, asymmetric, a scale a layer,
                  scale_x = (high - low) / 255 of the range [low, high] on the rows
    bias:         b = scale_x scale_w c, c of 32 bits

With ``float_input`` the first layer's inputs are not rounded, its weights have 8 bits
and its sums are of float64 (``nets/quantised.py``): one scale for all observations is
the largest share of the error. On iql's halfcheetah policies (2x128 units, five seeds)
the mean action error fell from 0.0070 to 0.0048 of half the range, on states they visit
from 0.0058 to 0.0038; a call of 256 rows then takes 1.5 times as long, of one as long.

It differs in that scales have few significant bits, rounded up: 4 for the observations,
3 for weights, 1 (a power of two) for hidden activations, whose layer is first
multiplied by a factor in [1, 2) and the next one divided by it, which ReLU lets pass,
so that this last rounding loses nothing. Sums of products are then exact in float32:
torch, onnxruntime's float kernels and its integer kernels agree in every code, where
free scales flip codes at rounding borders.

Of other policies (a transformer, or tanh between layers) the weights alone get 8 bits,
nearest, and inputs stay float. Tanh, softmax, LayerNorm and GELU differ by 1e-7 between
torch and onnxruntime, enough to move some of the thousands of codes of a step to the
other side of a rounding border: with 8-bit inputs a random transformer's actions
differed by up to 0.04.
"""

import copy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from tasks.artifacts.params import Range
from tasks.compress import Compressor, Result, VisitingParams
from tasks.compress.cores.rows import Rows
from tasks.compress.cores.students import linears, rebuild
from tasks.nets.feedforward import Feedforward
from tasks.nets.policy import Policy, stack, take
from tasks.nets.quantised import BlockLinear, Int8Linear, WideLinear


@dataclass(frozen=True)
class Int8StaticParams(VisitingParams):
    """Parameters of ``int8_static``; units: params/compress/int8_static.yaml."""

    percentile: Annotated[float, Range(90, 100)]
    reduce_range: bool
    float_input: bool


class Int8Static(Compressor[Int8StaticParams]):
    """Static W8A8, seed by seed."""

    @property
    def bits(self) -> float:
        """Bits of a weight: what is stored in 8 may use 7 of them."""
        return 7 if self.params.reduce_range else 8

    @property
    def top(self) -> int:
        """Largest code of a weight."""
        return 63 if self.params.reduce_range else 127

    def work(self, policy: Policy, rows: Rows) -> Result:
        """Equalise and quantise each layer; of other policies the weights alone."""
        if not isinstance(policy, Feedforward) or policy.activation != "relu":
            return Result(self._weights(policy), None, policy, bits=8)
        alone = [take(policy, k) for k in range(policy.seeds)]
        states = rows.states(policy)
        pairs = [self._of_seed(one, states[k]) for k, one in enumerate(alone)]
        share = self.params.percentile / 100
        what = f"activation ranges, percentile {100 * share:g}"
        quantised, equalised = (stack(side) for side in zip(*pairs, strict=True))
        return Result(quantised, what, equalised)

    def _of_seed(
        self, policy: Feedforward, observations: Tensor
    ) -> tuple[Feedforward, Feedforward]:
        """One seed: (quantised, the equalised float policy it stands for)."""
        x = policy.normalise(observations[None])  # (1, N, I)
        low, high = self._range(x)
        step = significant((high - low) / 255, 4)
        zero = (-low / step).round().clamp(0, 255)
        before = linears(policy)
        layers: list[Int8Linear | WideLinear] = []
        for linear in before:
            last = len(layers) == len(before) - 1
            if not last:  # put the hidden activations' range on a power of two
                free_step = self._range(torch.relu(linear(x)))[1] / 255
                next_step = significant(free_step, 1)
                factor = next_step / free_step
                linear.weight.mul_(factor)
                linear.bias.mul_(factor)
                before[len(layers) + 1].weight.div_(factor)
            if self.params.float_input and not layers:
                layers.append(wide(linear.weight, linear.bias))
            else:
                layers.append(self._layer(linear.weight, linear.bias, step, zero))
            x = torch.relu(linear(x))
            if not last:
                step, zero = next_step, torch.zeros(1)
        return rebuild(policy, layers), policy

    def _weights(self, policy: Policy) -> Policy:
        """Any policy with 8-bit weights, a scale an output unit; inputs stay float."""
        layers: dict[str, Any] = policy.linears()
        small = {}
        for name, linear in layers.items():
            block = max(16, 1 << (linear.inputs - 1).bit_length())
            size = (linear.stack, linear.inputs, linear.outputs)
            layer = small[name] = BlockLinear(*size, 8, block)
            scale = (linear.weight.abs().amax(1) / 127).clamp(min=1e-12)  # (S, N)
            layer.scale.copy_(scale[..., None])
            layer.codes = (linear.weight / scale[:, None]).round().transpose(1, 2)
            layer.bias.copy_(linear.bias[:, 0])
        quantised = copy.deepcopy(policy)
        quantised.replace_linears(small)
        return quantised

    def _range(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Smallest and largest value to keep, (1,) each; 0 lies inside."""
        flat, _ = x.flatten().sort()
        edge = round((1 - self.params.percentile / 100) * (len(flat) - 1))
        low, high = flat[edge].clamp(max=0), flat[-1 - edge].clamp(min=0)
        if high == low:  # a layer that is silent on all rows
            high = low + 1
        return low[None], high[None]

    def _layer(
        self, weight: Tensor, bias: Tensor, step: Tensor, zero: Tensor
    ) -> Int8Linear:
        """Quantise weight (1, I, N) and bias (1, 1, N)."""
        layer = Int8Linear(*weight.shape)
        scale = weight.abs().amax(1) / self.top  # (1, N)
        # a bias beyond 2^20 steps would leave float32's exact integers
        scale = torch.maximum(scale, bias[:, 0].abs() / (step * 2**20)).clamp(min=1e-12)
        layer.scale.copy_(significant(scale, 3))
        codes = (weight / layer.scale[:, None]).round()
        layer.codes.copy_(codes.clamp(-self.top, self.top))
        layer.bias.copy_((bias[:, 0] / (step * layer.scale)).round())
        layer.input_scale.copy_(step)
        layer.input_zero.copy_(zero)
        return layer


def wide(weight: Tensor, bias: Tensor) -> WideLinear:
    """A layer of 8-bit weights whose inputs stay float.

    Args:
        weight: (S, I, N).
        bias: (S, 1, N).
    """
    layer = WideLinear(*weight.shape)
    layer.scale.copy_((weight.abs().amax(1) / 127).clamp(min=1e-12))
    layer.codes.copy_((weight / layer.scale[:, None]).round())
    layer.bias.copy_(bias[:, 0])
    return layer


def significant(scale: Tensor, bits: int) -> Tensor:
    """Positive numbers rounded up to ``bits`` significant binary digits."""
    mantissa, exponent = torch.frexp(scale)  # mantissa in [0.5, 1)
    return torch.ldexp((mantissa * 2**bits).ceil() / 2**bits, exponent)
