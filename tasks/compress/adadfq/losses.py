"""The losses of AdaDFQ's two players, of G (generator) and Q (quantised network).

P is the float network. Shapes: B batch, A classes, C Y X a picture, L layers with batch
normalisation.
"""

import math

import torch
from torch import Tensor, nn

from tasks.nets.resnet import FloatSteps, NormedConv, ResNet

TINY = 1e-8


class Watch(FloatSteps):
    """P, which compares its batch statistics with the running ones on the way.

    Attributes:
        errors: One number a layer with batch normalisation that has run.
    """

    def __init__(self, policy: ResNet) -> None:
        super().__init__(policy, learn=False)
        self.errors: list[Tensor] = []

    def unit(self, name: str, x: Tensor) -> Tensor:
        """The layer; of what enters its norm mean and biased variance are compared."""
        layer = self.policy.units[name]
        if not isinstance(layer, NormedConv):
            return super().unit(name, x)
        x = layer.convolved(x, layer.weight)  # (1, B, N, Y, X)
        mean, variance = x.mean((0, 1, 3, 4)), x.var((0, 1, 3, 4), correction=0)
        self.errors.append(
            (mean - layer.mean[0]).square().mean()
            + (variance - layer.variance[0]).square().mean()
        )
        return layer.normed(x)

    def loss(self) -> Tensor:
        """L_BNS = 1/L sum_l MSE(mean_l, mu_l) + MSE(var_l, sigma2_l)."""
        return torch.stack(self.errors).mean()


def entropy(difference: Tensor, temperature: float = 1.0) -> Tensor:
    """H_T(u) = -sum_c softmax(u / T)_c log softmax(u / T)_c: (B, A) -> (B,)."""
    logs = torch.log_softmax(difference / temperature, -1)
    return -(logs.exp() * logs).sum(-1)


def agreement(teacher: Tensor, student: Tensor) -> Tensor:
    """H', how much two networks agree on a sample, within its batch.

    (h - min h) / (log A - min h) with h = H_1(teacher - student): 0 where they differ
    most, 1 where they agree but for a constant. The minimum keeps its gradient.

    Args:
        teacher: Logits (B, A).
        student: Logits (B, A).

    Returns:
        (B,).
    """
    h = entropy(teacher - student)
    least = h.min()
    return (h - least + TINY) / (math.log(teacher.shape[-1]) - least + TINY)


def margin_loss(agreed: Tensor, low: float, high: float) -> Tensor:
    """L_m = mean relu(low - H') + mean relu(H' - high): (B,) -> ()."""
    return torch.relu(low - agreed).mean() + torch.relu(agreed - high).mean()


def balance_loss(
    teacher: Tensor, student: Tensor, label: Tensor, apart: float, together: float
) -> Tensor:
    """L_bal = a_ds CE(z_P - z_Q, y) + a_as CE(z_P + z_Q, y).

    Args:
        teacher: z_P, (B, A).
        student: z_Q, (B, A).
        label: y, (B,).
        apart: a_ds.
        together: a_as.
    """
    cross = nn.functional.cross_entropy
    return apart * cross(teacher - student, label) + together * cross(
        teacher + student, label
    )


def agree_loss(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """L_Q = -T^2 mean H_T(z_P - z_Q): what AdaDFQ's Q descends."""
    return -(temperature**2) * entropy(teacher - student, temperature).mean()


def distil_loss(
    teacher: Tensor, student: Tensor, label: Tensor, temperature: float
) -> Tensor:
    """CE(z_Q, y) + T^2 KL(P || Q) at temperature T, mean over samples and classes.

    Of GDFQ (Xu et al. 2020, arXiv 2003.03603), as in its reference code.
    """
    ours = torch.log_softmax(student / temperature, -1)
    theirs = torch.softmax(teacher / temperature, -1)
    apart = nn.functional.kl_div(ours, theirs, reduction="none").mean()
    return nn.functional.cross_entropy(student, label) + temperature**2 * apart
