"""A small Decision Transformer with weights large enough to matter."""

import torch

from tasks.artifacts.seeding import generator
from tasks.nets.transformer import DecisionTransformer

torch.set_num_threads(1)


def transformer(
    seeds: tuple[int, ...] = (0, 1),
    context: int = 4,
    width: int = 16,
    heads: int = 1,
    blocks: int = 2,
    observation: int = 3,
    action: int = 1,
    timesteps: int = 40,
    gain: float = 12.0,
) -> DecisionTransformer:
    """Of random weights; actions lie in [-2, 2]."""
    policy = DecisionTransformer(
        *(len(seeds), context, width, heads, blocks, timesteps, 0.01, 30.0),
        torch.linspace(-1, 1, observation),
        torch.linspace(0.5, 2, observation),
        torch.full((action,), -2.0),
        torch.full((action,), 2.0),
    )
    policy.initialise([generator(seed, "actor") for seed in seeds])
    for name, parameter in policy.named_parameters():
        if "norm" not in name and "embed" not in name:
            parameter.data.mul_(gain)
    return policy.requires_grad_(requires_grad=False)
