"""Tensors of policy.pth by their names -> the actor's layers."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.adopt.cores.network import Layer, Network
from tasks.adopt.sb3.saved import MEND, Saved
from tasks.artifacts.errors import RefusedError

Tensors = Mapping[str, NDArray[np.float64]]

# a part of a tensor's name, and what a policy that has it is
OTHERS = {
    "features_extractor.cnn": "a CnnPolicy",
    "features_extractor.extractors": "a MultiInputPolicy",
    "lstm": "a recurrent policy",
    "features_extractor": "an extractor of its own",
    "mlp_extractor.shared_net": "layers that actor and critic share, as before 1.8",
}
# by family: sequences and single layers of the actor, in order; what else it may hold
ACTORS = {
    "SAC": (("actor.latent_pi", "actor.mu"), ("actor.log_std",)),
    "TQC": (("actor.latent_pi", "actor.mu"), ("actor.log_std",)),
    "TD3 or DDPG": (("actor.mu",), ()),
    "DQN": (("q_net.q_net",), ()),
    "PPO or A2C": (("mlp_extractor.policy_net", "action_net"), ()),
    "ARS": (("action_net",), ()),
}


def layers_of(path: Path, saved: Saved, tensors: Tensors, *, discrete: bool) -> Network:
    """The actor's network.

    Args:
        path: The zip, for errors.
        saved: What its ``data`` says.
        tensors: By name; weights are (N, I).
        discrete: Whether the world's actions are.

    Raises:
        RefusedError: If the tensors are not those of a chain of layers.
    """
    for part, words in OTHERS.items():
        if name := next((name for name in tensors if part in name), None):
            found = f"{name:.80}: {words}"
            raise RefusedError(path, "policy.pth", found, "an MlpPolicy", MEND)
    parts, more = ACTORS[saved.family]
    layers = [layer for part in parts for layer in _chain(path, tensors, part)]
    _check_all(path, tensors, parts, more)
    squash = saved.squash_output
    if squash is None and saved.family == "ARS":  # its LinearPolicy is not, others are
        squash = "action_net.0.bias" in tensors
    limit = None
    if "actor.mu.0.weight" in tensors and "actor.latent_pi.0.weight" in tensors:
        limit = saved.clip_mean or None  # gSDE's
    if discrete:
        head = "categorical"
    elif saved.family in ("PPO or A2C", "ARS"):
        head = "tanh" if squash else "world"
    else:
        head = "tanh"
    usual = "tanh" if saved.family == "PPO or A2C" else "relu"
    activation = saved.activation or usual
    kind = f"Stable-Baselines3 {saved.family}"
    return Network(kind, layers, activation, head, limit)


def _chain(path: Path, tensors: Tensors, prefix: str) -> list[Layer]:
    """The layers of a sequence, ``<prefix>.<i>``, or the single one ``<prefix>``."""
    numbers = sorted(
        int(match[1])
        for name in tensors
        if (match := re.fullmatch(rf"{re.escape(prefix)}\.(\d{{1,3}})\.weight", name))
    )
    if numbers != [2 * i for i in range(len(numbers))]:
        found = f"{prefix} of layers {numbers}"
        expected = "layers with an activation between"
        raise RefusedError(path, "policy.pth", found, expected, MEND)
    names = [f"{prefix}.{i}" for i in numbers]
    if not names and f"{prefix}.weight" in tensors:
        names = [prefix]
    layers = []
    for name in names:
        weight = tensors[f"{name}.weight"]
        bias = tensors.get(f"{name}.bias", np.zeros(len(weight)))
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            found = f"shapes {weight.shape} and {bias.shape}"
            expected = "a matrix, and a number a row"
            raise RefusedError(path, f"policy.pth: {name}", found, expected, MEND)
        layers.append((weight.T, bias))
    return layers


def _check_all(
    path: Path, tensors: Tensors, parts: tuple[str, ...], more: tuple[str, ...]
) -> None:
    """Refuse an actor that holds what was not read."""
    tops = {part.split(".")[0] for part in parts}
    known = "|".join(re.escape(part) for part in parts)
    layer = re.compile(rf"({known})(\.\d+)?\.(weight|bias)")
    for name in tensors:
        own = name.split(".")[0] in tops and not name.startswith("mlp_extractor.value")
        if own and not layer.fullmatch(name) and not name.startswith(more):
            found, expected = f"{name:.80}", f"layers of {', '.join(parts)}"
            raise RefusedError(path, "policy.pth", found, expected, MEND)
