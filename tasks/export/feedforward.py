"""One forward pass, one graph: normaliser, layers, squashing and scaling inside.

Each layer writes its own nodes (``emit``, beside its ``forward``), so the file holds
what is meant and nothing else: no debug metadata, readable names, packed weights.
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
    """See params/export/feedforward.yaml for units and ranges."""

    tolerance: Annotated[float, Range(0, 0.1, open=True)]
    rows: Annotated[int, Range(1000)]


class Feedforward(Exporter):
    """See the module."""

    Parameters = FeedforwardParams

    def __init__(self, params: FeedforwardParams) -> None:
        self.tolerance, self.rows = params.tolerance, params.rows

    def model(self, policy: "Policy", k: int) -> "onnx.ModelProto":
        """See :meth:`tasks.export.Exporter.model`."""
        return build_model(policy, k)
