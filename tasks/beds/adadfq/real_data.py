"""The game of AdaDFQ where real pictures stand in the place of those made for Q."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.adadfq.losses import Watch
from tasks.nets.resnet import ResNet

WITH_DATA = ("minmax_data", "real")  # arms that look at the dataset


@dataclass(frozen=True)
class Pictures:
    """A dataset's pictures as the network sees them, and the answers logged.

    Attributes:
        seen: (N, C, Y, X), normalised.
        label: (N,), int64.
    """

    seen: Tensor
    label: Tensor


class RealData(Game):
    """Q learns on real pictures; no picture is made.

    Args:
        teacher: P, a stack of one.
        params: Arm ``gdfq`` to learn, ``minmax`` to look alone.
        seed: Of the draws.
        pictures: What Q learns on.
    """

    def __init__(
        self, teacher: ResNet, params: AdaDFQParams, seed: int, pictures: Pictures
    ) -> None:
        super().__init__(teacher, params, seed)
        self.pictures = pictures

    def drawn(self) -> tuple[Tensor, Tensor]:
        """A batch: pictures (B, C, Y, X) and answers (B,)."""
        shape = (self.params.batch,)
        at = torch.randint(len(self.pictures.label), shape, generator=self.chance)
        return self.pictures.seen[at], self.pictures.label[at]

    def look(self) -> None:
        """Ranges: the largest seen on real pictures."""
        with torch.no_grad():
            for _ in range(self.params.iterations):
                self.student.logits(self.drawn()[0])
        self.student.settled = True

    def teach_maker(
        self, wanted: Tensor, given: Tensor, label: Tensor, watch: Watch
    ) -> dict[str, float]:
        """Nobody makes pictures here."""
        del wanted, given, label, watch
        return {}
