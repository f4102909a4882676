"""4-bit weights in blocks, rounded by GPTQ.

Frantar et al. 2022 (arXiv 2210.17323), reference implementation
github.com/IST-DASLab/gptq. Of a layer with inputs x_1..x_n and weights w, a row an
output unit, columns j in the order of falling H_jj:

    H      = 2/n sum_i x_i x_i^T + damping mean(diag H) I
    U      = chol(H^-1)^T, upper triangular
    q_j    = clip(round(w_j / s), -(2^(b-1) - 1), 2^(b-1) - 1) s      column j rounded
    e      = (w_j - q_j) / U_jj
    w_{j:} = w_{j:} - e U_{j,j:}         later columns make up for the error of this one

The scale s of a block of inputs is max |w| / (2^(b-1) - 1) over the weights as they
were (static groups, symmetric). Each layer sees the inputs the quantised layers before
it give. The first and last layer hold few of the weights and may keep 8 bits.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import Range
from tasks.compress import Compressor, Result, VisitingParams
from tasks.compress.cores.gptq import bits_by_layer, check_storage, solve
from tasks.compress.cores.rows import Rows
from tasks.nets.network import Network


@dataclass(frozen=True)
class Gptq4Params(VisitingParams):
    """Parameters of ``gptq4``; units stand in params/compress/gptq4.yaml."""

    block: Annotated[int, Range(16, 1024)]
    edge_bits: Annotated[int, Range(4, 8)]
    damping: Annotated[float, Range(0, 1, open=True)]

    def __post_init__(self) -> None:
        """Also refuse what the storage has no form for."""
        super().__post_init__()
        check_storage(self.block, self.edge_bits)


class Gptq4(Compressor[Gptq4Params]):
    """GPTQ, seed by seed."""

    bits = 4
    policies = (Network,)

    def work(self, policy: Network, rows: Rows) -> Result:
        """Quantise each layer on what the quantised ones before give it."""
        p = self.params
        bits = bits_by_layer(policy, p.edge_bits)
        solved = solve(policy, rows.situation(policy), bits, p.block, p.damping)
        return Result(solved, "second moments of each layer's inputs", policy)
