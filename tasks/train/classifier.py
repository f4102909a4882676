"""A perceptron that tells classes apart, by cross-entropy: what others must beat.

Of images x with labels y, standardised by the training set's mean and deviation,

    loss = mean of -log softmax(f(x))_y

Each step also takes the share rate x decay off every weight (AdamW).

Source: textbook, e.g. Goodfellow, Bengio, Courville 2016, "Deep Learning", section 6.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.params import Distinct, Params, Range
from tasks.artifacts.transitions import divisor
from tasks.nets.layers import MLP
from tasks.nets.optimisers import Adam
from tasks.nets.plain_predictor import PlainPredictor
from tasks.train import PredictorLearner, Rows
from tasks.train.cores.classes import cross_entropy, hits


@dataclass(frozen=True)
class ClassifierParams(Params):
    """Units and ranges stand in params/train/classifier.yaml."""

    hidden: Annotated[tuple[int, ...], Range(1, 4096), Distinct(0, 16)]
    rate: Annotated[float, Range(0, 1, open=True)]
    decay: Annotated[float, Range(0, 1)]


class Classifier(PredictorLearner[ClassifierParams]):
    """Images in, a logit a class out."""

    reads = ("image", "label")

    def __init__(
        self,
        params: ClassifierParams,
        data: Mapping[str, NDArray[Any]],
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, data, seeds, updates)
        image = data["image"]
        flat = image.reshape(len(image), -1)
        mean, std = flat.mean(0, np.float64), flat.std(0, np.float64)
        std = divisor(std, np.abs(flat).max(0))  # some pixels are always white
        widths = (flat.shape[1], *params.hidden, int(data["label"].max()) + 1)
        net = MLP(self.seeds, "classifier", widths)
        statistics = torch.from_numpy(mean), torch.from_numpy(std)
        reads = ("image", image.shape[1:])
        self.net = PlainPredictor(list(net.layers), reads, "logits", *statistics)
        own = self.net.layers.parameters()
        self.optimisers["net"] = Adam(own, params.rate, params.decay)

    def update(self, batch: Rows, step: int) -> dict[str, Tensor]:
        """One step of Adam."""
        del step
        logits = self.net(batch.arrays["image"])
        loss = cross_entropy(logits, batch.arrays["label"])
        self.descend("net", loss)
        right = hits(logits, batch.arrays["label"])
        return {"loss": loss.detach(), "accuracy": right}

    def predictor(self) -> PlainPredictor:
        """The perceptron."""
        return self.net
