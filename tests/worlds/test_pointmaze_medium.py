"""PointMazeMedium on the shared harness."""

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tests.worlds.harness import WorldTests, load


class TestPointMazeMedium(WorldTests):
    name = "pointmaze_medium"
    capabilities = ("reset_to",)

    def test_set_params_changes_physics_and_returns(self):
        """It has no such capability, and says so."""
        batch = load(self.name).make(1)
        with pytest.raises(
            RefusedError, match=r"no set_params, expected .* cartpole, .* hopper"
        ):
            require(batch, "set_params")
