"""Identity: the parent every compressed policy is compared with."""

from dataclasses import dataclass

from torch import nn

from tasks.artifacts.params import Params
from tasks.compress import Compressor, Result
from tasks.compress.cores.rows import Rows
from tasks.nets.network import Network


@dataclass(frozen=True)
class Float32Params(Params):
    """It has none."""


class Float32(Compressor[Float32Params]):
    """Leaves the policy as it is, so that it takes the same way as the others."""

    takes = (nn.Module,)
    policies = (Network,)
    shrinks = False

    def work(self, policy: Network, rows: Rows) -> Result:
        """The same policy."""
        del rows
        return Result(policy, None, policy)
