"""Losses of predictors that tell classes apart, a number a seed.

Shapes: S seeds, B batch, K classes.
"""

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean of -log softmax(logits) at the label: (S, B, K), (S, B) int64 -> (S,)."""
    log = functional.log_softmax(logits, -1)
    return -log.gather(-1, label.unsqueeze(-1)).squeeze(-1).mean(1)


def hits(logits: Tensor, label: Tensor) -> Tensor:
    """The share of rows whose largest logit is the label's, (S,)."""
    return (logits.detach().argmax(-1) == label).float().mean(1)
