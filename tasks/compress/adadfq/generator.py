"""G, AdaDFQ's generator: noise and a class -> a picture.

The authors' generator for CIFAR: embedding of the class times noise, a linear layer to
a quarter of the side, twice nearest-neighbour doubling and a convolution, tanh, and a
last normalisation without parameters, which gives each channel zero mean and unit
variance over the batch. The 0.8 of its inner normalisations is their eps.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

LATENT, SLOPE, LOOSE = 100, 0.2, 0.8  # width of z, of LeakyReLU, eps of inner norms


class Generator(nn.Module):
    """Noise and a class -> a picture as the network sees it, after its normaliser.

    Args:
        classes: A.
        image: C, Y, X; Y and X multiples of 4.
        width: Channels inside, even; the authors' 128.
        seed: All its weights depend on it.
    """

    def __init__(
        self, classes: int, image: Sequence[int], width: int, seed: int
    ) -> None:
        super().__init__()
        channels, rows, columns = image
        self.start = (width, rows // 4, columns // 4)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(classes, LATENT)
            self.first = nn.Linear(LATENT, math.prod(self.start))
            self.body = nn.Sequential(
                nn.BatchNorm2d(width),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(width, width, 3, padding=1),
                nn.BatchNorm2d(width, eps=LOOSE),
                nn.LeakyReLU(SLOPE),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(width, width // 2, 3, padding=1),
                nn.BatchNorm2d(width // 2, eps=LOOSE),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(width // 2, channels, 3, padding=1),
                nn.Tanh(),
                nn.BatchNorm2d(channels, affine=False),
            )

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """(B, 100) standard normal and (B,) -> (B, C, Y, X)."""
        x = self.first(self.embed(label) * noise).view(-1, *self.start)
        picture: Tensor = self.body(x)
        return picture
