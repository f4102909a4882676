"""One forward pass, one graph: normaliser, layers, squashing and scaling inside.

Each layer writes its own nodes (``emit``, beside its ``forward``), so the file holds
what is meant and nothing else: no debug metadata, short names, packed weights.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.artifacts.onnx_policy import build_model
from tasks.artifacts.params import Params, Range
from tasks.export import Exporter

if TYPE_CHECKING:
    import onnx

    from tasks.nets.policy import Policy


@dataclass(frozen=True)
class FeedforwardParams(Params):
    """Parameters of ``feedforward``; units stand in params/export/feedforward.yaml."""

    tolerance: Annotated[float, Range(0, 0.1, open=True)]
    rows: Annotated[int, Range(1000, 10**6)]


class Feedforward(Exporter[FeedforwardParams]):
    """Asks the policy for its nodes."""

    @property
    def tolerance(self) -> float:
        """Largest difference of torch and onnxruntime, relative to max(1, |action|)."""
        return self.params.tolerance

    @property
    def rows(self) -> int:
        """Dataset observations the parity gate compares on."""
        return self.params.rows

    def model(self, policy: "Policy", k: int) -> "onnx.ModelProto":
        """The ONNX model of seed slice ``k``."""
        return build_model(policy, k)
