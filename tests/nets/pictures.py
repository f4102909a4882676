"""Small residual networks whose batch statistics are those of random pictures."""

import torch

from tasks.artifacts.seeding import generator
from tasks.nets.resnet import ResNet, build

IMAGE = (3, 8, 8)


def resnet(
    seeds: tuple[int, ...] = (0, 1),
    widths: tuple[int, ...] = (8, 16),
    image: tuple[int, int, int] = IMAGE,
    actions: int = 5,
) -> ResNet:
    """Random weights; gains of both signs."""
    width = image[0] * image[1] * image[2]
    statistics = torch.linspace(0.3, 0.6, width), torch.linspace(0.1, 0.3, width)
    net = build(len(seeds), image, widths, actions, *statistics)
    for name, unit in net.units.items():
        unit.initialise([generator(seed, f"made/{name}") for seed in seeds])
        if name == "head":
            unit.weight.data.mul_(4)
            continue
        for part, seed in zip(unit.gain.data, seeds, strict=True):
            part.normal_(1, 0.5, generator=generator(seed, f"made/{name}/gain"))
        for part, seed in zip(unit.shift.data, seeds, strict=True):
            part.normal_(0, 0.2, generator=generator(seed, f"made/{name}/shift"))
    draws = [torch.randn(64, *image, generator=generator(s, "seen")) for s in seeds]
    with torch.no_grad():
        for _ in range(40):
            net.logits(torch.stack(draws), learn=True)
    return net.requires_grad_(requires_grad=False)


def observations(net: ResNet, count: int, seed: int = 0) -> torch.Tensor:
    """Random ones, (count, C Y X), units of the world."""
    draw = torch.randn(count, net.observation_width, generator=generator(seed, "rows"))
    return net.observation_mean + net.observation_std * draw
