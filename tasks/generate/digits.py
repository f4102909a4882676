"""Handwritten digits of 8 x 8 pixels, 1 797 of them, that scikit-learn brings along.

Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI
Machine Learning Repository, its test set. ``image`` is (N, 64), darkness of each pixel
in [0, 1], ``label`` (N,), 0 to 9. The pictures are put into an order drawn from the
seed; then come the training set, the validation set and the test set.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.arrays import Arrays
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.generate import ArrayMaker

LARGEST = 16.0  # darkness of a black pixel


@dataclass(frozen=True)
class DigitsParams(Params):
    """Units and ranges stand in params/generate/digits.yaml."""

    train: Annotated[int, Range(1, 1795)]
    validation: Annotated[int, Range(1, 1795)]
    seed: Annotated[int, Range(0, 2**31 - 1)]


class Digits(ArrayMaker[DigitsParams]):
    """All pictures; those that are neither trained nor validated on are the test's."""

    description = "Handwritten digits, 8 x 8 pixels, and which digit each is."

    def arrays(self) -> Arrays:
        """The pictures in their drawn order.

        Raises:
            RefusedError: If nothing is left to test on.
        """
        # its import takes a second or two, which no other maker needs
        from sklearn.datasets import load_digits

        p = self.params
        pictures, labels = load_digits(return_X_y=True)
        behind = p.train + p.validation
        if behind >= len(labels):
            field, found = "validation", f"{p.validation} beside train {p.train}"
            expected = f"fewer than {len(labels)} of both, so that some test"
            raise RefusedError(PARAMS, field, found, expected, "lower one of them")
        order = np.random.default_rng(p.seed).permutation(len(labels))
        splits = {
            "train": (0, p.train),
            "validation": (p.train, behind),
            "test": (behind, len(labels)),
        }
        image = (pictures[order] / LARGEST).astype(np.float32)
        arrays = {"image": image, "label": labels[order].astype(np.int64)}
        return Arrays(arrays, splits, "image")
