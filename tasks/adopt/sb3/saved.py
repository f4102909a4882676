"""``data`` of a zip of Stable-Baselines3: JSON that says what was saved.

What JSON cannot hold stands there as an object: ``:type:``, ``:serialized:``, a pickle
in base64, and the object's own attributes as Python prints them. The pickle is dropped
while the JSON is parsed. What is printed is compared with the world where it is whole:
numpy leaves out the middle of long arrays and cuts digits, and files of versions 1.x
often have nothing but the pickle.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.adopt.cores.spaces import Spaces
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.zip_file import Zip

LARGEST = 2**26  # bytes of data
SERIALISED = ":serialized:"
MEND = "adopt a policy of SAC, TQC, TD3, DDPG, DQN, PPO, A2C or ARS with an MlpPolicy"
# module of the policy's class: the algorithms whose policies it has
FAMILIES = {
    "stable_baselines3.sac.policies": "SAC",
    "sb3_contrib.tqc.policies": "TQC",
    "stable_baselines3.td3.policies": "TD3 or DDPG",
    "stable_baselines3.dqn.policies": "DQN",
    "stable_baselines3.common.policies": "PPO or A2C",
    "sb3_contrib.ars.policies": "ARS",
}
ACTIVATIONS = {
    "<class 'torch.nn.modules.activation.ReLU'>": "relu",
    "<class 'torch.nn.modules.activation.Tanh'>": "tanh",
}
# arguments of a policy that do not change its deterministic action
HARMLESS = (
    *("net_arch", "use_sde", "log_std_init", "full_std", "use_expln", "sde_net_arch"),
    *("optimizer_class", "optimizer_kwargs", "n_critics", "n_quantiles", "ortho_init"),
    *("share_features_extractor", "normalize_images", "with_bias"),
)
READ = ("activation_fn", "clip_mean", "squash_output")
PRINTED = 1e-4  # of a bound; numpy prints 8 digits


@dataclass(frozen=True)
class Saved:
    """What ``data`` says.

    Attributes:
        family: A value of ``FAMILIES``.
        activation: ``relu`` or ``tanh``; None: the family's own.
        clip_mean: What gSDE clips its mean to, 0 for nothing.
        squash_output: Whether the action is squashed; None: as the family does.
    """

    family: str
    activation: str | None
    clip_mean: float
    squash_output: bool | None


def read_saved(path: Path, spaces: Spaces) -> Saved:
    """Read ``data`` and compare it with the world.

    Args:
        path: The zip.
        spaces: Of the world.

    Raises:
        RefusedError: If the zip is none of Stable-Baselines3, its policy is of a kind
            that is not supported, or it was trained in other spaces.
    """
    raw = Zip(path, MEND).read("data", LARGEST)
    try:
        data = json.loads(raw.decode(), object_pairs_hook=_without_pickles)
    except (RecursionError, ValueError) as error:
        raise RefusedError(path, "data", error, "JSON", MEND) from None
    if not isinstance(data, dict):
        raise RefusedError(path, "data", f"{data!r:.80}", "an object", MEND)
    module = _object(path, data, "policy_class").get("__module__", "nothing")
    if module not in FAMILIES:
        kind = next((k for k in ("recurrent", "maskable") if k in str(module)), "")
        found = f"{kind} {module!s:.80}".strip()
        expected = ", ".join(FAMILIES.values())
        raise RefusedError(path, "data: policy_class", found, expected, MEND)
    _check_spaces(path, data, spaces)
    kwargs = _object(path, data, "policy_kwargs")
    return Saved(FAMILIES[module], *_arguments(path, kwargs))


def _without_pickles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of ``data`` without what is serialised in it."""
    return {key: value for key, value in pairs if key != SERIALISED}


def _object(path: Path, data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key) or {}
    if not isinstance(value, dict):
        found = f"{value!r:.80}"
        raise RefusedError(path, f"data: {key}", found, "an object", MEND)
    return value


def _arguments(
    path: Path, kwargs: Mapping[str, Any]
) -> tuple[str | None, float, bool | None]:
    """Activation, clip of gSDE's mean and squashing, of the policy's arguments."""
    for key in kwargs:
        if key not in (*HARMLESS, *READ) and not key.startswith(":"):
            expected = "none that changes the network: own extractors are not supported"
            raise RefusedError(path, "data: policy_kwargs", key, expected, MEND)
    activation = None
    if "activation_fn" in kwargs:
        printed = kwargs["activation_fn"]
        printed = printed.get(":type:") if isinstance(printed, dict) else printed
        if printed not in ACTIVATIONS:
            field, found = "data: policy_kwargs.activation_fn", f"{printed!s:.80}"
            raise RefusedError(path, field, found, "ReLU or Tanh", MEND)
        activation = ACTIVATIONS[printed]
    clip_mean, squash = kwargs.get("clip_mean", 2.0), kwargs.get("squash_output")
    if type(clip_mean) not in (int, float) or not 0 <= clip_mean < np.inf:
        field = "data: policy_kwargs.clip_mean"
        raise RefusedError(path, field, f"{clip_mean!r:.80}", "0 or more", MEND)
    if squash not in (None, True, False):
        field = "data: policy_kwargs.squash_output"
        raise RefusedError(path, field, f"{squash!r:.80}", "true or false", MEND)
    return activation, float(clip_mean), squash


def _check_spaces(path: Path, data: Mapping[str, Any], spaces: Spaces) -> None:
    """Refuse kinds of spaces that are not supported, and others than the world's."""
    kinds = {}
    for name in ("observation_space", "action_space"):
        space = _object(path, data, name)
        printed = str(space.get(":type:", ""))
        kinds[name] = printed.rpartition(".")[2].removesuffix("'>") or "nothing"
    if (found := kinds["observation_space"]) != "Box":
        found += ", of a MultiInputPolicy" if found == "Dict" else ""
        raise RefusedError(path, "data: observation_space", found, "Box", MEND)
    if kinds["action_space"] not in ("Box", "Discrete"):
        found, expected = kinds["action_space"], "Box or Discrete"
        raise RefusedError(path, "data: action_space", found, expected, MEND)
    expected = "Discrete" if spaces.discrete else "Box"
    mend = "name the world it was trained in"
    field, action = "data: action_space", _object(path, data, "action_space")
    if kinds["action_space"] != expected:
        found, expected = kinds["action_space"], f"{expected}, as the world's"
        raise RefusedError(path, field, found, expected, mend)
    stated: tuple[tuple[str, Any], ...]
    if spaces.discrete:
        stated = (("n", [spaces.action]), ("start", [0]))
    else:
        stated = (("low", spaces.low), ("high", spaces.high))
    for key, values in stated:
        numbers = printed_numbers(action.get(key))
        if numbers is None:
            continue
        right = np.asarray(values, np.float64)
        near = PRINTED * np.maximum(1, np.abs(right))
        if numbers.shape != right.shape or not (np.abs(numbers - right) <= near).all():
            found = f"{numbers.tolist()!s:.80}"
            expected = f"{right.tolist()!s:.80}, as the world's"
            raise RefusedError(path, f"{field}.{key}", found, expected, mend)


def printed_numbers(printed: Any) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Numbers that Python or numpy printed; None where they are not whole.

    Args:
        printed: Text, or a number.
    """
    if type(printed) in (int, float):
        return np.array([printed], np.float64)
    if not isinstance(printed, str) or "..." in printed:
        return None
    words = re.sub(r"[\[\],]", " ", printed).split()
    try:
        return np.array([float(word) for word in words], np.float64)
    except ValueError:
        return None
