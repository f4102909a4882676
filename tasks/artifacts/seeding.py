"""Where chance comes from: generators made of a seed and words.

Nothing in this project draws from a global generator. Whoever needs chance makes a
generator from the seed of its parameters and from what the draw is for. So adding a
network, a seed or an episode never changes another one's numbers, and work that was
killed goes on without the state of a generator.

- :func:`generator`, for weights and draws of networks: SHA-256 of ``seed/name``, 63
  bits.
- :func:`seed_of`, :func:`chance` and :func:`torch_chance`, for searches and what is
  replayed of them: SHA-256 of ``a/b/...``, 60 bits, plus 2^30.
- :func:`start_seed` and :func:`episode_generator`, for the episodes of a dataset:
  arithmetic.
- ``np.random.default_rng([seed, number, ...])``, numpy's own, for streams that numbers
  tell apart.

The first two derive other bits from the same words. They stay apart, as published
numbers stand on both.

A world's episode begins in the state its start seed gives. Those of datasets begin at
``FIRST_START``; training and evaluation start below.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch  # takes seconds, and most who draw need numpy alone

FIRST_START = 2**30
PER_PART, PER_SEED = 100_000, 10_000_000  # start seeds a part and a dataset may use


def generator(seed: int, name: str) -> "torch.Generator":
    """A generator that depends on the seed and the name alone.

    Args:
        seed: Of the training.
        name: What is drawn, e.g. a network's name.
    """
    import torch

    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def seed_of(*parts: object) -> int:
    """A seed that depends on the parts alone, 2^30 to 2^61.

    Args:
        parts: Told apart by how they print; the first one is a seed of parameters.
    """
    text = "/".join(map(str, parts))
    digest = hashlib.sha256(text.encode()).digest()
    return FIRST_START + (int.from_bytes(digest[:8], "little") >> 4)


def chance(*parts: object) -> np.random.Generator:
    """A generator seeded with :func:`seed_of` of the parts."""
    return np.random.default_rng(seed_of(*parts))


def torch_chance(*parts: object) -> "torch.Generator":
    """A generator of torch seeded with :func:`seed_of` of the parts."""
    import torch

    return torch.Generator().manual_seed(seed_of(*parts))


def start_seed(seed: int, part: int, number: int) -> int:
    """Start seed of a dataset's episode.

    Args:
        seed: Of the dataset, 0..100.
        part: Which of its behaviours acts, 0..99.
        number: Of the episode within the part, 0..99 999.
    """
    return FIRST_START + seed * PER_SEED + part * PER_PART + number


def episode_generator(seed: int, part: int, number: int) -> np.random.Generator:
    """The source of an episode's noise; arguments as of :func:`start_seed`."""
    return np.random.default_rng([seed, part, number])
