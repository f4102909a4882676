"""8-bit weights, rounded to nearest; inputs stay float and nothing is calibrated.

Of a layer's weights w, in blocks of its inputs:

    s = max |w| / 127        of a block
    q = round(w / s) s

The arithmetic is float32, so a file costs about the time of its float parent. What is
lost is the rounding of the weights alone: rounding the inputs too, as ``int8_static``
does, errs more and is faster only where integer kernels are.

Source: per-channel symmetric weights, Krishnamoorthi 2018 (arXiv 1806.08342), section
3.1.1, with a scale a block of inputs where a layer has more of them than a block.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.compress import Compressor, Result, Rows
from tasks.compress.cores.rounding import block_scales, round_to_nearest
from tasks.nets.policy import Policy, stack, take
from tasks.nets.quantised import BlockLinear

BITS = 8


@dataclass(frozen=True)
class W8Params(Params):
    """Parameters of ``w8``; units stand in params/compress/w8.yaml."""

    block: Annotated[int, Range(16, 1024)]

    def __post_init__(self) -> None:
        """Also refuse what the storage has no form for."""
        super().__post_init__()
        if self.block & (self.block - 1):
            expected = "a power of two >= 16"
            raise RefusedError(PARAMS, "block", self.block, expected, "change block")


class W8(Compressor[W8Params]):
    """Weights rounded to nearest, seed by seed."""

    bits = BITS

    def work(self, policy: Policy, rows: Rows) -> Result:
        """Round each layer's weights; no row is looked at."""
        del rows
        alone = [self._of_seed(take(policy, k)) for k in range(policy.seeds)]
        return Result(stack(alone), None, policy)

    def _of_seed(self, policy: Policy) -> Policy:
        """Replace the layers of a policy of one seed."""
        layers: dict[str, Any] = policy.linears()
        block = self.params.block
        for name, linear in layers.items():
            weight = linear.weight[0].T.contiguous()  # (N, I)
            scale = block_scales(weight, BITS, block)
            steps = scale.repeat_interleave(block, dim=1)[:, : linear.inputs]
            layer = BlockLinear(1, linear.inputs, linear.outputs, BITS, block)
            layer.codes = round_to_nearest(weight, steps, BITS)[None]
            layer.scale.copy_(scale[None])
            layer.bias.copy_(linear.bias[:, 0])
            policy.replace_linears({name: layer})
        return policy
