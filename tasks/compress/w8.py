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

import copy
from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.compress import Compressor, Result
from tasks.compress.cores.rounding import nearest
from tasks.compress.cores.rows import Rows
from tasks.nets.network import Network

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
    """Weights rounded to nearest."""

    bits = BITS
    policies = (Network,)

    def work(self, policy: Network, rows: Rows) -> Result:
        """Round each layer's weights; no row is looked at."""
        del rows
        layers: dict[str, Any] = policy.linears()
        block = self.params.block
        small = copy.deepcopy(policy)
        small.replace_linears(
            {
                name: nearest(layer.weight, layer.bias, BITS, block)
                for name, layer in layers.items()
            }
        )
        return Result(small, None, policy)
