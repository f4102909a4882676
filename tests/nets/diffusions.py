"""Small diffusion policies for tests."""

import torch

from tasks.nets.diffusion import DiffusionPolicy, one_step
from tasks.nets.sampling import ddpm, variance_preserving
from tasks.train import Spaces
from tasks.train.cores.diffusion import fresh_policy
from tests.train.harness import make

torch.set_num_threads(1)


def spaces(observation: int = 11, action: int = 3) -> Spaces:
    """Statistics and bounds that are not the usual ones."""
    return Spaces(
        torch.linspace(-1, 1, observation),
        torch.linspace(0.5, 2, observation),
        torch.full((action,), -2.0),
        torch.full((action,), 1.0),
    )


def diffusion(
    steps: int = 3,
    seeds: tuple[int, ...] = (0, 1, 2),
    hidden: tuple[int, ...] = (32, 32),
    gain: float = 2.5,
    activation: str = "mish",
    observation: int = 11,
    action: int = 3,
) -> DiffusionPolicy:
    """A random one with DQL's plan; ``steps`` 0: OFQL's, of one call."""
    name = "dql" if steps else "ofql"
    width = {"actor_hidden": list(hidden), "activation": activation}
    params = make(name, **width).params
    of = spaces(observation, action)
    if steps:
        abar = variance_preserving(steps).tolist()
        made = fresh_policy(params, of, seeds, ddpm(abar), "noise", abar=abar)
    else:
        made = fresh_policy(params, of, seeds, one_step(), "velocity", times=2)
    for layer in made.layers:
        layer.weight.data.mul_(gain)
    return made.requires_grad_(requires_grad=False)
