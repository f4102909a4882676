"""Bad calibration rows, for every compressor that looks at them."""

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tests.compress.harness import make_compressor, make_policy, make_rows

CALIBRATED = ("int8_static", "gptq4", "qat4", "structured", "distill")


@pytest.mark.parametrize("name", CALIBRATED)
def test_no_rows_are_refused(name: str):
    with pytest.raises(RefusedError, match="rows: found 0, expected at least one"):
        make_compressor(name).compress(make_policy(), make_rows(0))


@pytest.mark.parametrize("name", CALIBRATED)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_refused(name: str, value: float):
    rows = make_rows()
    rows.observations[7, 2] = value
    with pytest.raises(RefusedError, match="NaN or infinity in 1 rows"):
        make_compressor(name).compress(make_policy(), rows)


@pytest.mark.parametrize("name", CALIBRATED)
def test_rows_of_another_width_are_refused(name: str):
    message = r"shape: found \(256, 10\), expected \(rows, 11\)"
    with pytest.raises(RefusedError, match=message):
        make_compressor(name).compress(make_policy(), make_rows(width=10))


@pytest.mark.parametrize("name", CALIBRATED)
def test_too_few_rows_are_refused_in_params(name: str):
    with pytest.raises(RefusedError, match=f"compress.{name}.rows: found 31"):
        make_compressor(name, rows=31)


def test_every_compressor_keeps_the_bounds_and_the_normaliser():
    policy = make_policy((32, 32))
    stacked = torch.randn(3, 50, 11) * 100
    for name in CALIBRATED:
        small, _ = make_compressor(name).compress(policy, make_rows())
        assert torch.equal(small.observation_std, policy.observation_std)
        action = small(stacked)
        assert action.min() >= -2.0001
        assert action.max() <= 1.0001
