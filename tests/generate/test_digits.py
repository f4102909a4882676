"""Digits: what scikit-learn has, in an order of its own, all of it once."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tasks.artifacts.arrays import check_arrays
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tests.predictors import method


def make(**changes: int) -> object:
    return build(method("generate", "digits", **changes), "generate").arrays()


def test_every_picture_is_there_once():
    data = make()
    check_arrays(data, "digits")
    pictures, labels = load_digits(return_X_y=True)
    image = (16 * data.arrays["image"]).round().astype(int)
    ours = sorted(map(tuple, np.column_stack([image, data.arrays["label"]]).tolist()))
    theirs = np.column_stack([pictures, labels]).astype(int)
    assert ours == sorted(map(tuple, theirs.tolist()))
    assert {n: b - a for n, (a, b) in data.splits.items()} == {
        "train": 1000, "validation": 200, "test": 597,
    }  # fmt: skip


def test_the_seed_alone_decides_the_order():
    first, again, other = (make(seed=k).arrays["label"] for k in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_test_set_is_left():
    with pytest.raises(RefusedError, match="validation: found 797 beside train 1000"):
        make(validation=797)
