"""Behaviour cloning of pictures: a residual network repeats the logged choice.

    L = -mean log softmax(logits(s))_a

The network is that of He et al. 2016, "Deep Residual Learning for Image Recognition"
(arXiv 1512.03385). Batches of training give batch normalisation its statistics, the
policy uses their running averages. Adam's rate falls to 0 as a cosine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.artifacts.seeding import generator
from tasks.nets.optimisers import adam
from tasks.nets.resnet import ResNet, build
from tasks.nets.resnet_base import as_pictures
from tasks.train import Batch, Learner, Spaces


@dataclass(frozen=True)
class BCResNetParams(Params):
    """Parameters; units and ranges stand in params/train/bc_resnet.yaml."""

    image: Annotated[tuple[int, int, int], Range(1, 4096)]
    widths: Annotated[tuple[int, ...], Range(1, 4096)]
    rate: Annotated[Sweepable, Range(0, 1)]


class BCResNet(Learner[BCResNetParams]):
    """A residual network trained by cross-entropy on the logged actions."""

    actions = ("discrete",)

    def __init__(
        self,
        params: BCResNetParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        if spaces.masked:
            raise RefusedError(
                PARAMS,
                "study.learners",
                "bc_resnet in a world that forbids actions at times",
                "a world without a mask",
                "take bc, which keeps to the mask",
            )
        if not params.widths:
            raise RefusedError(
                PARAMS, "train.bc_resnet.widths", "[]", "at least one", "change widths"
            )
        self.net = build(
            len(seeds),
            params.image,
            params.widths,
            spaces.action,
            spaces.observation_mean,
            spaces.observation_std,
        )
        for name, unit in self.net.units.items():
            unit.initialise([generator(seed, f"resnet/{name}") for seed in seeds])
        self.optimisers = {"net": adam(self.net.parameters(), params.rate)}

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the cross-entropy; also report the share of right choices."""
        cosine = 1 + math.cos(math.pi * step / self.updates)
        self.optimisers["net"].rate = self.params.rate / 2 * cosine
        picture = as_pictures(batch.observation, self.net.image)
        logits = self.net.logits(picture, learn=True)  # (S, B, A)
        chosen = (torch.log_softmax(logits, -1) * batch.action).sum(-1)
        loss = -chosen.mean(-1)  # (S,)
        self.descend("net", loss)
        right = logits.argmax(-1) == batch.action.argmax(-1)
        return {"actor_loss": loss.detach(), "right": right.float().mean(-1)}

    def policy(self) -> ResNet:
        """The network, which acts by its running statistics."""
        return self.net
