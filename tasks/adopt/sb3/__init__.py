"""Stable-Baselines3: the zip that ``model.save`` writes.

Raffin et al. 2021, https://jmlr.org/papers/v22/20-1364.html; layers and squashing as in
stable_baselines3 2.9.2 and sb3_contrib 2.9.2:

| algorithm | layers | between | deterministic action |
|---|---|---|---|
| SAC, TQC | actor.latent_pi, actor.mu | ReLU | tanh(z), scaled |
| the same with gSDE | likewise | ReLU | tanh(z clipped to +-clip_mean), scaled |
| TD3, DDPG | actor.mu | ReLU | tanh(z), scaled |
| DQN | q_net.q_net | ReLU | the largest value's number |
| PPO, A2C | mlp_extractor.policy_net, action_net | Tanh | z clipped to the bounds |
| ARS | action_net | ReLU | z clipped, or of more layers tanh(z), scaled |

``make adopt`` has turned policy.pth into tensors.safetensors (``engine/torch_file.py``)
and left the zip beside it. Of the zip's ``data``, what is serialised is never looked
at: bounds and widths come from the world.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tasks.adopt import Adoption, AdoptParams
from tasks.adopt.cores.network import Network
from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.sb3.saved import read_saved
from tasks.adopt.sb3.tensors import layers_of
from tasks.artifacts.errors import RefusedError

TENSORS = "tensors.safetensors"


@dataclass(frozen=True)
class SB3Params(AdoptParams):
    """Parameters of ``sb3``: those of every adopted policy."""


class SB3(Adoption[SB3Params]):
    """Reads a zip of Stable-Baselines3 or sb3_contrib."""

    file = "policy.zip"

    def read(self, folder: Path, spaces: Spaces) -> Network:
        """The network of the zip's actor."""
        path = folder / self.file
        saved = read_saved(path, spaces)
        try:
            tensors = load_file(folder / TENSORS)
        except (OSError, SafetensorError) as error:
            mend = "adopt it again with: make adopt"
            raise RefusedError(
                folder / TENSORS, "content", error, "tensors", mend
            ) from None
        wide = {name: np.asarray(x, np.float64) for name, x in tensors.items()}
        return layers_of(path, saved, wide, discrete=spaces.discrete)
