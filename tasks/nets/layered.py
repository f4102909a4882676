"""What predictors of a list of stacked linear layers share."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from tasks.nets.predictor import Predictor


class LayeredPredictor(Predictor):
    """A predictor whose weights are those of its layers.

    Args:
        layers: Of S seeds each.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)

    @property
    def seeds(self) -> int:
        """S."""
        return int(self.layers[0].stack)

    def linears(self) -> dict[str, nn.Module]:
        """Its layers."""
        return {f"layers.{i}": layer for i, layer in enumerate(self.layers)}
