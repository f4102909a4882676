"""The conditioned policy of a search: scored over the archive, and written to files.

Shapes: N filled cells, O observation, D descriptor.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save

from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.parity import TOLERANCE, check_parity
from tasks.artifacts.policy import save_policy, statistics_sha256, weights_sha256
from tasks.code import made_by
from tasks.generate.cores.archive_dataset import error
from tasks.generate.cores.policy_batch import Act, Array
from tasks.generate.dcg_map_elites.conditioned_td3 import Teacher
from tasks.nets.conditioned import Conditioned

if TYPE_CHECKING:
    from tasks.generate.cores.quality_diversity import Archive
    from tasks.generate.dcg_map_elites.search import Search

TARGET = "tasks.generate.dcg_map_elites.DcgMapElites"
ROWS = 1000  # observations that parity is checked on

# (observations (n, O), descriptors (n, D) in units of the world) -> actions (n, A)
Conditional = Callable[[Array, Array], Array]


def conditioned(search: "Search", teacher: Teacher) -> Conditioned:
    """The actor as a policy of one seed, descriptors in units of the world."""
    space, measures = search.arena.space, search.measures
    width = search.widths[0]
    bounds = (space.low, space.high, measures.low, measures.high)
    return Conditioned(
        list(teacher.actor.layers),
        torch.zeros(width),
        torch.ones(width),
        *(torch.from_numpy(np.asarray(bound, np.float32)) for bound in bounds),
    )


def in_torch(policy: Conditioned) -> Conditional:
    """Acting by the network in torch."""

    def act(observation: Array, descriptor: Array) -> Array:
        with torch.no_grad():
            inputs = (torch.from_numpy(x)[None] for x in (observation, descriptor))
            return policy(*inputs)[0].numpy()

    return act


def in_onnx(policy: Conditioned, search: "Search") -> Conditional:
    """Acting by the same network's graph in onnxruntime."""
    opened = OnnxPolicy(
        build_model(policy, 0, folds=False).SerializeToString(),
        contract_of(policy, 0, _origin(policy, search, ""), "exact"),
        "exact",
    )

    def act(observation: Array, descriptor: Array) -> Array:
        inputs = {"observation": observation, "descriptor": descriptor}
        return opened.step(inputs, {})[0]["action"]

    return act


def scores(search: "Search", teacher: Teacher) -> dict[str, Any]:
    """Play the policy at the descriptor of every filled cell, one episode each.

    Returns:
        Under ``torch`` and ``onnxruntime``, with the search's own starts: ``qd_score``,
        the sum of returns (each plus the offset) over filled cells; ``share``, of the
        archive's own; ``descriptor_error``, mean distance of what was reached from the
        elites' descriptors, normalised: 2 is a whole axis.
    """
    policy = conditioned(search, teacher)
    sides = {"torch": in_torch(policy), "onnxruntime": in_onnx(policy, search)}
    return {name: _score(side, search) for name, side in sides.items()}


def _score(act: Conditional, search: "Search") -> dict[str, float]:
    """The figures of :func:`scores` for one way of acting."""
    elites, space = search.archive.elites(), search.arena.space
    commanded = search.measures.units(elites.measures).astype(np.float32)
    middle, half = (space.high + space.low) / 2, (space.high - space.low) / 2

    def make(part: slice) -> Act:
        return lambda x: ((act(x, commanded[part]) - middle) / half).astype(np.float32)

    seeds = search.starts("distilled", map(int, elites.cell))
    played = search.arena.play(make, seeds, "distilled")
    score = float(sum(e.ret + search.params.qd_offset for e in played))
    return {
        "qd_score": score,
        "share": score / search.archive.figures()["qd_score"],
        "descriptor_error": error(search.measures.of(played), elites.measures),
    }


def save_archive(folder: Path, archive: "Archive") -> str:
    """Write archive.safetensors: all elites and the centroids; returns its hash."""
    path, elites = folder / "archive.safetensors", archive.elites().tensors()
    path.write_bytes(save({**elites, "centroids": torch.from_numpy(archive.centroids)}))
    return sha256(path)


def save_distilled(
    folder: Path, search: "Search", teacher: Teacher, archive_sha256: str
) -> None:
    """Write the policy, and seed-<k>.onnx with its contract once parity holds.

    Args:
        folder: Existing folder.
        search: Done.
        teacher: Whose actor it is.
        archive_sha256: Of archive.safetensors, which the policy distils.

    Raises:
        RefusedError: If torch and onnxruntime differ.
    """
    policy = conditioned(search, teacher)
    origin = _origin(policy, search, archive_sha256)
    save_policy(folder, policy, origin)
    model = build_model(policy, 0, folds=False)
    path = folder / f"seed-{search.params.seed}.onnx"
    contract = contract_of(policy, 0, origin, "exact")
    draw = np.random.default_rng(0)
    rows = search.buffer.rows[: search.buffer.size, : search.widths[0]].numpy()
    picked = rows[draw.choice(len(rows), ROWS)]
    opened = OnnxPolicy(model.SerializeToString(), contract, "exact")
    parity = check_parity(path, policy, 0, opened, picked, draw, TOLERANCE)
    write_onnx(path, model, {**contract, "parity": parity})


def _origin(
    policy: Conditioned, search: "Search", archive_sha256: str
) -> dict[str, Any]:
    world, block = search.world, {"_target_": TARGET, **vars(search.params)}
    return {
        "seeds": [search.params.seed],
        "made_by": [made_by("generate", "dcg_map_elites", block)],
        "learner": "dcg_map_elites",
        "dataset": "archive",
        "dataset_sha256": archive_sha256,
        "world": world.params.name,
        "env_id": world.params.env_id,
        "step_seconds": world.step_seconds,
        "weights_sha256": weights_sha256(policy),
        "statistics_sha256": statistics_sha256(policy),
    }
