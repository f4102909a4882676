"""Games of AdaDFQ whose pictures and whose loss of Q are chosen apart.

The methods differ in both: AdaDFQ's Q descends an entropy whose gradient, at the bed's
ten classes, is ten times that of GDFQ's distillation, which is a mean over classes. So
what pictures alone are worth is seen only where the loss is the same.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.adadfq.losses import Watch, agree_loss, distil_loss
from tasks.nets.resnet import ResNet

WITH_DATA = ("minmax_data", "real")  # pictures of the dataset


class Crossed(Game):
    """G descends the loss of ``params.arm``, Q one of its own.

    Args:
        teacher: P, a stack of one.
        params: Of the method; ``arm`` says whose pictures.
        seed: Of the draws.
        loss: Whose loss Q descends, ``adadfq`` or ``gdfq``.
    """

    def __init__(
        self, teacher: ResNet, params: AdaDFQParams, seed: int, loss: str
    ) -> None:
        super().__init__(teacher, params, seed)
        self.loss = loss

    def student_loss(self, teacher: Tensor, student: Tensor, label: Tensor) -> Tensor:
        """AdaDFQ's entropy, or GDFQ's distillation."""
        temperature = self.params.temperature
        if self.loss == "gdfq":
            return distil_loss(teacher, student, label, temperature)
        return agree_loss(teacher, student, temperature)


@dataclass(frozen=True)
class Pictures:
    """A dataset's pictures as the network sees them, and the answers logged.

    Attributes:
        seen: (N, C, Y, X), normalised.
        label: (N,), int64.
    """

    seen: Tensor
    label: Tensor


class RealData(Crossed):
    """Q learns on real pictures; no picture is made.

    Args:
        teacher: P, a stack of one.
        params: Arm ``minmax`` to look alone, another to learn.
        seed: Of the draws.
        loss: Whose loss Q descends.
        pictures: What Q learns on.
    """

    def __init__(
        self,
        teacher: ResNet,
        params: AdaDFQParams,
        seed: int,
        loss: str,
        pictures: Pictures,
    ) -> None:
        super().__init__(teacher, params, seed, loss)
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
