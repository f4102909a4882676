"""How large a compressed policy is, and how far its layers are from the float ones."""

from typing import Any

from torch import nn

from tasks.compress.cores.layer_inputs import Situation, layer_inputs
from tasks.nets.network import Network, stacked


def layer_errors(
    reference: Network, policy: Network, situation: Situation
) -> dict[str, list[float]]:
    """Relative output error of each layer: ||y - y_ref|| / ||y_ref||.

    Both layers get the input the compressed network itself gives its layer.

    Args:
        reference: Float, with a layer for each of the compressed one's.
        policy: The compressed one.
        situation: What it reads and carries at the step that is looked at.

    Returns:
        A number a seed, by the layers' names.
    """
    exact, errors = reference.linears(), {}
    inputs = layer_inputs(policy, situation)
    for name, layer in policy.linears().items():
        x = inputs[name].float()  # already, unless the policy computes in float64
        y, target = layer(x), exact[name](x)  # (S, rows, N)
        size = target.flatten(1).norm(dim=1).clamp(min=1e-30)
        errors[name] = ((y - target).flatten(1).norm(dim=1) / size).tolist()
    return errors


def stored_bytes(module: nn.Module) -> int:
    """Bytes of a layer's tensors, all seeds, as policy.safetensors stores them.

    Of a policy its layers' alone: statistics and bounds are not weights.
    """
    return sum(
        t.numel() * t.element_size()
        for name, t in module.state_dict().items()
        if stacked(name) or not isinstance(module, Network)
    )


def parameters(policy: Network) -> int:
    """Weights and biases of one seed, whatever their storage."""
    layers: dict[str, Any] = policy.linears()
    others = sum(
        p.numel() // policy.seeds
        for name, p in policy.named_parameters()
        if name.rpartition(".")[0] not in layers
    )
    return others + sum(x.inputs * x.outputs + x.outputs for x in layers.values())
