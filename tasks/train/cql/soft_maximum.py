"""The soft maximum of critics over many actions a state, and its gradient.

The penalty of CQL and its kin takes 3n actions a state, so nearly all the work of an
update is here. Autograd would carry the activations of all rows through memory once an
operation; here a few states at a time go forward and straight back again while they
lie in the processor's cache. The gradient is by the critics' weights alone.

Shapes: S seeds, B batch, O observation, A action, E critics, m actions a state.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.train.cores.actor_critic import Critics

ROWS = 1024  # actions at a time; times 64 units they take 256 KiB


def soft_maximum(
    critics: Critics, observation: Tensor, actions: Tensor, log_mu: Tensor
) -> Tensor:
    """Soft maximum over actions, mean over B of log sum_j exp(Q(s, a_j) - log mu_j).

    Args:
        critics: ReLU networks without norms; the gradient is by their weights.
        observation: (S, B, O).
        actions: (S, B, m, A), constants.
        log_mu: (S, B, m), log density the actions were drawn with, constants.

    Returns:
        (S, E).
    """
    parameters = [p for layer in critics.net.layers for p in layer.parameters()]
    inputs = observation, actions, log_mu, *parameters
    with torch.autocast(
        actions.device.type, enabled=False
    ):  # float32 whatever the precision
        mean: Tensor = _SoftMaximum.apply(*inputs)  # type: ignore[no-untyped-call]
    return mean.view(len(observation), critics.net.members)


class _SoftMaximum(torch.autograd.Function):
    """Soft maximum of each critic, (S*E,), and its gradient, in one pass.

    Weight and bias of each layer come after the constants.
    """

    @staticmethod
    def forward(
        ctx: Any, observation: Tensor, actions: Tensor, log_mu: Tensor, *parameters: Any
    ) -> Tensor:
        seeds, rows, m, _ = actions.shape
        stack = len(parameters[0])
        sums = [torch.zeros_like(p) for p in parameters]  # of gradients
        mean = parameters[0].new_zeros(stack)
        slices = [[p[k] for p in parameters] for k in range(stack)]
        gradients = [[g[k] for g in sums] for k in range(stack)]
        for s in range(seeds):
            parts = max(1, rows * m // ROWS)
            pieces = (x[s].chunk(parts) for x in (observation, actions, log_mu))
            for o, a, mu in zip(*pieces, strict=True):
                x = torch.cat([o.unsqueeze(1).expand(-1, m, -1), a], -1).flatten(0, 1)
                for k in range(s * stack // seeds, (s + 1) * stack // seeds):
                    mean[k] += _there_and_back(x, mu, slices[k], gradients[k])
        torch._foreach_div_(sums, rows)
        ctx.save_for_backward(*sums)
        return mean / rows

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        grown = [above[:, None, None] * g for g in ctx.saved_tensors]
        return (None, None, None, *grown)


def _there_and_back(
    x: Tensor, log_mu: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
) -> Tensor:
    """Sum of the soft maxima of one critic; adds their gradients to ``gradients``.

    Args:
        x: Observation and action, (states * m, O+A).
        log_mu: (states, m).
        parameters: Weight (I, O) and bias (1, O) of each layer.
        gradients: The same shapes, changed in place.
    """
    *weights, last = parameters[::2]
    *biases, shift = parameters[1::2]
    inputs = [x]
    for weight, bias in zip(weights, biases, strict=True):
        inputs.append(torch.addmm(bias, inputs[-1], weight).relu_())
    q = torch.mv(inputs[-1], last[:, 0]).view_as(log_mu) + shift
    corrected = q.sub_(log_mu)
    most = corrected.amax(1, keepdim=True)
    share = corrected.sub_(most).exp_()
    total = share.sum(1, keepdim=True)
    soft = most + total.log()
    share = share.div_(total).flatten()  # of each action, sums to 1 a state
    gradients[-2][:, 0].addmv_(inputs[-1].T, share)
    gradients[-1].add_(share.sum())
    slope = torch.outer(share, last[:, 0])
    for i in reversed(range(len(weights))):
        slope = torch.ops.aten.threshold_backward(slope, inputs[i + 1], 0)
        gradients[2 * i].addmm_(inputs[i].T, slope)
        gradients[2 * i + 1].add_(slope.sum(0))
        if i:
            slope = slope @ weights[i].T
    return soft.sum()
