"""Policies on disk: policy.json (class, arguments, origin) and policy.safetensors.

Critics lie beside them in the same way, as critic.json and critic.safetensors.

``origin`` says what a policy was made of. Its ``made_by`` lists the methods that had a
part in it, in their order: of each its name, the hash of its parameters and the hash of
its code. So policy.json changes when the code of a class it names does, and whatever
loads that class runs again. policy.json states its own hash too:
the order of the seeds, say, is as good as the name of a file.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from tasks.artifacts.allocation import Bounded, TooLargeError
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.params import resolve
from tasks.artifacts.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from tasks.nets.critic import Critic
    from tasks.nets.network import Network

SCHEMA = 1
MEND = "make it again with: dvc repro"
HASHES = ("file_sha256", "weights_sha256", "statistics_sha256")
# what later stages read of an origin
ORIGIN: dict[str, tuple[type, ...]] = {
    "made_by": (list,),
    "seeds": (list,),
    "learner": (str,),
    "dataset": (str,),
    "dataset_sha256": (str,),
    "world": (str,),
    "env_id": (str,),
    "step_seconds": (int, float),
}
PREDICTOR = "predictor"  # the kind an origin states of what has no world
OF_WORLDS = ("world", "env_id", "step_seconds")
NUMBERS_PER_BYTE = 64  # of a network to be filled from a file; packed ones have most
# what making a network of a spec may fail with
SPECLESS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError),
)
STATISTICS = ("observation_mean", "observation_std")


def statistics_sha256(policy: "Network | Critic") -> str:
    """Hash of the normaliser alone: the same weights with another one differ."""
    digest = hashlib.sha256()
    for name in _statistics(policy):
        digest.update(getattr(policy, name).numpy().tobytes())
    return digest.hexdigest()


def weights_sha256(policy: "Network | Critic") -> str:
    """Hash of every tensor but the normaliser's: names, types, shapes and values."""
    digest, statistics = hashlib.sha256(), _statistics(policy)
    for name, tensor in sorted(policy.state_dict().items()):
        if name not in statistics:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _statistics(net: "Network | Critic") -> tuple[str, ...]:
    """Names of the normaliser's tensors; of a predictor, those that are no layer's."""
    if all(hasattr(net, name) for name in STATISTICS):
        return STATISTICS
    return tuple(sorted(name for name, _ in net.named_buffers() if "." not in name))


def save_policy(
    folder: Path, policy: "Network", origin: Mapping[str, Any], *beside: str
) -> None:
    """Write a policy into a folder that :func:`files.whole_folder` will put in place.

    Args:
        folder: Existing folder.
        policy: All seeds stacked.
        origin: What it was made of: ``seeds`` (their numbers), ``learner``,
            ``dataset``, ``dataset_sha256``, ``world`` ..., and ``made_by``, a list of
            what :func:`tasks.code.made_by` gives.
        *beside: Names of other files in the folder, whose hashes policy.json shall
            state: those of a training.
    """
    _save(folder, "policy", policy, origin, *beside)


def save_critic(folder: Path, critic: "Critic", origin: Mapping[str, Any]) -> None:
    """Write critics beside their policy.

    Args:
        folder: Existing folder.
        critic: All seeds stacked.
        origin: What they were made of, as of a policy.
    """
    _save(folder, "critic", critic, origin)


def _save(
    folder: Path,
    kind: str,
    net: "Network | Critic",
    origin: Mapping[str, Any],
    *beside: str,
) -> None:
    weights = folder / f"{kind}.safetensors"
    _check_finite(weights, net)
    tensors = {k: v.detach().contiguous() for k, v in net.state_dict().items()}
    weights.write_bytes(save(tensors))
    spec = {
        "schema": SCHEMA,
        kind: net.spec(),
        "origin": dict(origin),
        "file_sha256": sha256(weights),
        **({"files": {n: sha256(folder / n) for n in beside}} if beside else {}),
        "weights_sha256": weights_sha256(net),
        "statistics_sha256": statistics_sha256(net),
    }
    write_sealed(folder / f"{kind}.json", spec)


def load_policy(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Read a policy after checking its hashes.

    Returns:
        The policy, or the predictor, and its origin.

    Raises:
        RefusedError: If a file is missing, policy.json lacks a key or names a class
            outside tasks.nets, a hash (of policy.json itself, of the file, of the
            weights, of the statistics) is not the one policy.json states, the tensors
            do not fit the class or are not finite, or its seeds are not one for each
            network stacked.
    """
    policy, origin = _load(folder, "policy")
    return policy, origin


def load_critic(folder: Path) -> tuple["Critic", dict[str, Any]]:
    """Read critics after checking their hashes.

    Returns:
        The critics and their origin.

    Raises:
        RefusedError: If the learner left none, or for what a policy is refused for.
    """
    critic, origin = _load(folder, "critic")
    return critic, origin


def makers_of(folder: Path, origin: Mapping[str, Any]) -> list[dict[str, str]]:
    """The methods that had a part in a policy, in their order.

    Args:
        folder: The policy's, for the error.
        origin: Of the policy, as :func:`load_policy` gives it.

    Raises:
        RefusedError: If its origin does not say, or lacks another key that later
            stages read.
    """
    free = OF_WORLDS if origin.get("kind") == PREDICTOR else ()
    for key in ORIGIN:
        if key not in origin and key not in free:
            where = folder / "policy.json"
            raise RefusedError(where, f"origin.{key}", "nothing", "a value", MEND)
    return list(origin["made_by"])


def check_trained_on(dataset: Path, origin: Mapping[str, Any]) -> str:
    """Refuse a policy that was trained on another dataset than the one there is.

    Args:
        dataset: Its folder.
        origin: Of the policy, in which :func:`makers_of` missed nothing.

    Returns:
        The SHA-256 that the dataset's card states of its episodes.

    Raises:
        RefusedError: If the card is broken, or states another one than the origin.
    """
    card = dataset / "card.json"
    stated, trained_on = read_sealed(card, "dvc repro").get("sha256"), "dataset_sha256"
    if stated != origin[trained_on]:
        expected = f"{origin[trained_on]:.80}, which the policy was trained on"
        mend = "train it again with: dvc repro"
        raise RefusedError(card, "sha256", f"{stated!s:.80}", expected, mend)
    return str(stated)


def _load(folder: Path, what: str) -> tuple[Any, dict[str, Any]]:
    """Read ``policy`` or ``critic``: the network and its origin."""
    spec = _read_spec(folder / f"{what}.json", what)
    weights = folder / f"{what}.safetensors"
    file_sha256 = sha256(weights) if weights.exists() else "nothing"
    if file_sha256 != spec["file_sha256"]:
        raise RefusedError(weights, "sha256", file_sha256, spec["file_sha256"], MEND)
    try:
        kind = resolve(spec[what]["class"], f"{what}.class", package="tasks.nets.")
        with Bounded(NUMBERS_PER_BYTE * weights.stat().st_size):
            net: Network | Critic = kind.from_spec(spec[what])
    except TooLargeError as error:
        found = f"{error} in a file of {weights.stat().st_size} bytes"
        where, expected = folder / f"{what}.json", "sizes of the tensors in the file"
        raise RefusedError(where, what, found, expected, MEND) from None
    except RefusedError as error:
        raise RefusedError(
            folder / f"{what}.json", error.field, error.found, error.expected, MEND
        ) from None
    except SPECLESS as error:
        raise RefusedError(
            folder / f"{what}.json", what, repr(error), "what its spec gave", MEND
        ) from None
    try:
        net.load_state_dict(load_file(weights))
    except (AttributeError, RuntimeError, SafetensorError) as error:
        raise RefusedError(
            weights, "tensors", error, "those of the class", MEND
        ) from None
    _check_finite(weights, net)
    seeds = spec["origin"].get("seeds")  # a training on its way does not state them
    if seeds is not None and len(seeds) != net.seeds:
        found, expected = f"{seeds!s:.80}", f"{net.seeds}, as many as are stacked"
        raise RefusedError(
            folder / f"{what}.json", "origin.seeds", found, expected, MEND
        )
    net.requires_grad_(requires_grad=False)
    hashes = {"weights": weights_sha256, "statistics": statistics_sha256}
    for name, hash_of in hashes.items():
        computed, stated = hash_of(net), spec[f"{name}_sha256"]
        if computed != stated:
            raise RefusedError(weights, name, computed, stated, MEND)
    return net, spec["origin"]


def _check_finite(path: Path, net: "Network | Critic") -> None:
    """Refuse weights that are no numbers, as of a training that diverged."""
    for name, tensor in net.state_dict().items():
        if not bool(tensor.isfinite().all()):
            found = "a number that is not finite"
            mend = "train it again, e.g. with a lower learning rate"
            raise RefusedError(path, name, found, "finite numbers", mend)


def _read_spec(path: Path, what: str) -> dict[str, Any]:
    """policy.json or critic.json, with its schema, keys and types checked."""
    spec = read_sealed(path, "dvc repro")
    if spec.get("schema") != SCHEMA:
        raise RefusedError(path, "schema", spec.get("schema"), SCHEMA, MEND)
    kinds = {what: dict, "origin": dict} | dict.fromkeys(HASHES, str)
    for key, kind in kinds.items():
        if key not in spec:
            raise RefusedError(path, key, "nothing", "a value", MEND)
        if not isinstance(spec[key], kind):
            expected = "an object" if kind is dict else "text"
            raise RefusedError(path, key, f"{spec[key]!r:.80}", expected, MEND)
    for key, value in spec["origin"].items():
        if key not in ORIGIN:
            continue
        allowed = ORIGIN[key]
        if not isinstance(value, allowed) or isinstance(value, bool):
            expected = " or ".join(kind.__name__ for kind in allowed)
            raise RefusedError(path, f"origin.{key}", f"{value!r:.80}", expected, MEND)
    step = spec["origin"].get("step_seconds", 1)
    if step <= 0:
        expected = "seconds above 0"
        raise RefusedError(path, "origin.step_seconds", step, expected, MEND)
    seeds = spec["origin"].get("seeds", [])
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or len(set(seeds)) < len(seeds):
        expected = "whole numbers from 0, none twice"
        raise RefusedError(path, "origin.seeds", f"{seeds!r:.80}", expected, MEND)
    return dict(spec)
