"""A source: the folder of what a user brought, and the policy that is in it.

``data/sources/<NAME>/`` holds a copy of the file, what was read of it with care (the
tensors), what was given beside it (norm.npz, replay.npz) and source.json, which states
the hashes of all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.adopt import Adoption
from tasks.adopt.cores.network import policy_of
from tasks.adopt.cores.normaliser import FILE as NORMALISER
from tasks.adopt.cores.normaliser import Normaliser
from tasks.adopt.cores.spaces import Spaces
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.npz import read_npz
from tasks.artifacts.sealed import read_sealed, write_sealed
from tasks.nets.feedforward import Feedforward

SOURCES = Path("data/sources")
STATED, REPLAY = "source.json", "replay.npz"
SCHEMA = 1
AGAIN = "make adopt"
TOLERANCE = 1e-4  # of an action, relative to half its range
UNVERIFIED = "not verified: no rows of observations and actions were given"


def seal(folder: Path, brought: str) -> None:
    """Write source.json, of all other files.

    Args:
        folder: The source's.
        brought: Name of the user's file.
    """
    others = [path for path in sorted(folder.iterdir()) if path.name != STATED]
    files = {path.name: sha256(path) for path in others}
    content = {"schema": SCHEMA, "brought": brought, "files": files}
    write_sealed(folder / STATED, content)


def read_source(
    folder: Path, adoption: Adoption[Any], spaces: Spaces
) -> tuple[Feedforward, dict[str, str]]:
    """The policy of a source.

    Args:
        folder: The source's.
        adoption: How its file is read.
        spaces: Of the world.

    Returns:
        The policy, of one seed, and what its contract says of where it is from.

    Raises:
        RefusedError: If a file is not the one that source.json states, the policy is
            none that can be adopted, or it does not act as its replay rows say.
    """
    stated = read_sealed(folder / STATED, AGAIN)
    files = stated.get("files")
    if not isinstance(files, dict) or adoption.file not in files:
        mend = f"make it again with: {AGAIN}"
        raise RefusedError(folder / STATED, "files", f"{files!r:.80}", "hashes", mend)
    for name, of in files.items():
        check_sha256(folder / name, of, AGAIN)
    given = None
    if NORMALISER in files:
        given = Normaliser.read(folder / NORMALISER)
    network = adoption.read(folder, spaces)
    file, mend = folder / adoption.file, "name the world it was trained in"
    policy = policy_of(network, given, spaces, file, mend)
    replay = folder / REPLAY
    verified = replayed(replay, policy) if REPLAY in files else UNVERIFIED
    of = files[adoption.file]
    return policy, {"format": network.kind, "sha256": of, "verified": verified}


def replayed(path: Path, policy: Feedforward) -> str:
    """Let the policy act on logged observations, and compare.

    Args:
        path: An npz file of observations (N, O) and actions (N, A), or (N,) of discrete
            ones, as the original took them without chance.
        policy: Of one seed.

    Returns:
        In words, on how many rows it was compared and how far it was off.

    Raises:
        RefusedError: If the file is none, or an action differs.
    """
    mend = "write it with: np.savez(path, observations=o, actions=a)"
    arrays = read_npz(path, mend)
    shapes = {name: array.shape for name, array in arrays.items()}
    o, a = arrays.get("observations"), arrays.get("actions")
    width = policy.observation_width
    if o is None or a is None or o.shape[1:] != (width,) or not len(o):
        expected = f"observations (N, {width}) and actions"
        raise RefusedError(path, "arrays", f"{shapes!s:.120}", expected, mend)
    size = len(o) * (1 if policy.discrete else policy.action_width)
    if len(a) != len(o) or a.size != size:
        expected = f"actions of {len(o)} rows, {size} numbers in all"
        raise RefusedError(path, "actions", f"shape {a.shape}", expected, mend)
    with torch.no_grad():
        acted = policy(torch.from_numpy(o.astype(np.float32))[None])[0].numpy()
    mend = "adopt it with the conventions, and the normaliser, it was trained with"
    if policy.discrete:
        others = int((acted != a.reshape(-1)).sum())
        if others:
            found = f"{others} of {len(o)} actions that differ"
            raise RefusedError(path, "actions", found, "the logged ones", mend)
        return f"{len(o)} rows, all actions equal"
    scale = np.where(policy.action_scale.numpy() > 0, policy.action_scale.numpy(), 1)
    off = np.abs(acted - a.reshape(acted.shape)) / scale
    worst = float(off.max())
    if not worst <= TOLERANCE:
        row = int(np.nanargmax(off.max(1)))
        found = f"{acted[row].tolist()!s:.60} in row {row}, {worst:.3g} half-ranges off"
        expected = f"{a.reshape(acted.shape)[row].tolist()!s:.60}"
        raise RefusedError(path, "actions", found, expected, mend)
    return f"{len(o)} rows, largest difference {worst:.2g} half-ranges"


def origin_of(
    name: str, spaces: Spaces, dataset: str, sha: str, about: Mapping[str, str]
) -> dict[str, Any]:
    """What policy.json says of where an adopted policy is from, but for its makers.

    Args:
        name: Of the policy.
        spaces: Of the world.
        dataset: Its name.
        sha: Of the dataset's episodes.
        about: What :func:`read_source` gave.
    """
    return {
        **spaces.about,
        "seeds": [0],
        "dataset": dataset,
        "dataset_sha256": sha,
        "learner": name,
        "adopted": dict(about),
    }
