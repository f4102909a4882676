"""4-bit weights in blocks, trained to act as the policy did while they are rounded.

Quantisation-aware training with a straight-through estimator (Bengio et al. 2013, arXiv
1308.3432; Jacob et al. 2018, arXiv 1712.05877, section 3), as distillation: the parent
is the teacher. Of a layer with float weights w, in blocks of its inputs, of b bits:

    s, w  as gptq4 leaves them: scales, which stay, and rounded weights to begin with
    w^    = clip(round(w / s), -(2^(b-1) - 1), 2^(b-1) - 1) s       what acts
    dL/dw = dL/dw^ where nothing is clipped, else 0      straight through the rounding
    L     = mean (student - policy)^2      of the actions, see ``students.readout``

Biases are trained beside them. States are dataset rows and states that the policy
visits when it acts (``states``): its episodes feel what the student gets wrong there.
Activations stay float and the file is that of ``gptq4``: 4 bits a weight, packed, with
first and last layer of 8 or 4.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from tasks.artifacts.params import Range
from tasks.compress import Compressor, Result, VisitingParams
from tasks.compress.cores.gptq import bits_by_layer, check_storage, solve
from tasks.compress.cores.layer_inputs import Situation
from tasks.compress.cores.regression import Fit
from tasks.compress.cores.rounding import round_to_nearest, steps_of
from tasks.compress.cores.rows import Rows
from tasks.compress.cores.students import readout, rebuild
from tasks.compress.cores.visits import cut
from tasks.nets.feedforward import Feedforward
from tasks.nets.quantised import BlockLinear

MOST = 4_096  # states that second moments are taken of: more change nothing


@dataclass(frozen=True)
class Qat4Params(VisitingParams):
    """Parameters of ``qat4``; units stand in params/compress/qat4.yaml."""

    block: Annotated[int, Range(16, 1024)]
    edge_bits: Annotated[int, Range(4, 8)]
    damping: Annotated[float, Range(0, 1, open=True)]
    steps: Annotated[int, Range(1, 1_000_000)]
    batch: Annotated[int, Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]

    def __post_init__(self) -> None:
        """Also refuse what the storage has no form for."""
        super().__post_init__()
        check_storage(self.block, self.edge_bits)


class Qat4(Compressor[Qat4Params]):
    """All seeds in one stack."""

    policies = (Feedforward,)
    bits = 4

    def work(self, policy: Feedforward, rows: Rows) -> Result:
        """Round by GPTQ, train with the rounding in place, store the codes."""
        p = self.params
        bits = bits_by_layer(policy, p.edge_bits)
        few = self._few(rows.situation(policy))
        begun = solve(policy, few, bits, p.block, p.damping)
        layers = [Straight(layer) for layer in begun.layers]
        student = rebuild(policy, layers)
        x = policy.normalise(rows.states(policy))
        fit = Fit(
            *(partial(readout, student), student.layers, rows.seeds, "qat4"),
            *(p.steps, p.batch, p.rate),
        )
        fit.run([x], readout(policy, x), p.steps)
        small = rebuild(policy, [layer.coded() for layer in layers])
        return Result(small, f"the policy's own actions, {p.steps} updates", policy)

    def _few(self, situation: Situation) -> Situation:
        """Some of the states, evenly: rows lie before visits, visits in their order."""
        count = len(situation[0]["observation"][0])
        return cut(situation, slice(None, None, -(-count // MOST)))


class Straight(nn.Module):
    """A stacked layer that acts with rounded weights and learns float ones.

    Args:
        begun: Gives the codes to begin with and the scales.
    """

    def __init__(self, begun: BlockLinear) -> None:
        super().__init__()
        self.stack, self.bits, self.block = begun.stack, begun.bits, begun.block
        self.scale = begun.scale  # (S, N, ceil(I / block))
        steps = steps_of(begun.scale, begun.block, begun.inputs)
        self.steps = steps.transpose(1, 2).contiguous()  # (S, I, N)
        self.weight = nn.Parameter(begun.codes.transpose(1, 2) * self.steps)
        self.bias = nn.Parameter(begun.bias[:, None].clone())  # (S, 1, N)

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N)."""
        rounded: Tensor = _Rounding.apply(self.weight, self.steps, self.bits)  # type: ignore[no-untyped-call]
        return torch.baddbmm(self.bias, x, rounded)

    def coded(self) -> BlockLinear:
        """The same as a layer that holds codes."""
        stack, inputs, outputs = self.weight.shape
        layer = BlockLinear(stack, inputs, outputs, self.bits, self.block)
        codes = round_to_nearest(self.weight.detach(), self.steps, self.bits)
        layer.codes = codes.transpose(1, 2)
        layer.scale.copy_(self.scale)
        layer.bias.copy_(self.bias.detach()[:, 0])
        return layer


class _Rounding(torch.autograd.Function):
    """Weights on their nearest codes, with the gradient of no rounding."""

    @staticmethod
    def forward(context: Any, weight: Tensor, steps: Tensor, bits: int) -> Tensor:
        """(S, I, N) -> the same, each a whole number of its steps."""
        top = 2 ** (bits - 1) - 1
        codes = weight / steps
        context.save_for_backward(codes.abs() <= top + 0.5)
        return codes.round_().clamp_(-top, top).mul_(steps)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Pass the gradient where nothing was clipped."""
        (inside,) = context.saved_tensors
        return gradient * inside, None, None
