"""The offline loop: updates, curves and checkpoints for any learner.

Shapes: S seeds, B batch.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical
from tasks.artifacts.params import PARAMS
from tasks.code import digest, of_method
from tasks.train.engine.array_batches import drawn
from tasks.train.engine.stack import Stack

if TYPE_CHECKING:
    from tasks.artifacts.arrays import Arrays
    from tasks.artifacts.transitions import Transitions

COMPUTING = ("torch", "numpy", "numba", "scipy")  # another version, other bits
CHECKPOINT_SECONDS = 15.0  # at least this long between two checkpoints


@dataclass
class Curves:
    """What training looked like: one row for each seed and log.

    Attributes:
        columns: ``update``, ``seed``, then the names of the learner's metrics.
        rows: One array of numbers a row; metrics are means since the log before.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)

    def csv(self) -> str:
        """The curves as CSV: update and seed, then metrics with nine digits."""
        lines = [",".join(self.columns)]
        for update, seed, *values in self.rows:
            numbers = [f"{value:.9g}" for value in values]
            lines.append(",".join([str(int(update)), str(int(seed)), *numbers]))
        return "\n".join(lines) + "\n"


def settle(device: str = "cpu") -> None:
    """Set torch to one thread and deterministic kernels: same run, same bytes.

    Args:
        device: On a GPU not every operation has such a kernel, and any will do.
    """
    torch.set_num_threads(1)
    # what torch.use_deterministic_algorithms does, without its import of the compiler
    # that is not used here: 1.3 s
    torch._C._set_deterministic_algorithms(device == "cpu", warn_only=False)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(0)


def check_precision(precision: str, device: str = "cpu") -> None:
    """Refuse a precision of matrix products that this CPU could only imitate.

    Args:
        precision: ``float32`` or ``bfloat16``.
        device: A GPU takes both.

    Raises:
        RefusedError: If it is ``bfloat16`` and the CPU has no instructions for it.
    """
    has = (
        device != "cpu"
        or torch.cpu._is_avx512_bf16_supported()
        or torch.cpu._is_amx_tile_supported()
    )
    if precision == "bfloat16" and not has:
        raise RefusedError(
            PARAMS,
            "study.precision",
            "bfloat16, which this CPU has no instructions for",
            "a CPU with avx512_bf16 or amx_bf16",
            "set study.precision to float32",
        )


def identity(
    learner: Stack[Any],
    block: Mapping[str, Any],
    dataset: str,
    updates: int,
    batch: int,
    precision: str = "float32",
    device: str = "cpu",
) -> str:
    """Hash of everything that determines a training; a checkpoint's folder name.

    The code counts by the closure of the learner's method: its own files, the command,
    and all they import.

    Args:
        learner: Its seeds, its weights and its method count.
        block: Its parameters.
        dataset: SHA-256 of the dataset.
        updates: Number of updates.
        batch: B.
        precision: Of the matrix products.
        device: Where it trains.

    Raises:
        KeyError: If the learner's method is no file or folder of its room.
    """
    weights = learner.weights
    whole = {
        "weights": None
        if weights is None
        else hashlib.sha256(weights.data).hexdigest(),
        "params": dict(block),
        "code": digest(of_method(*learner.method())),
        "dataset": dataset,
        "seeds": list(learner.seeds),
        "updates": updates,
        "batch": batch,
        "precision": precision,
        "device": device,
        "versions": [version(name) for name in COMPUTING],
    }
    return hashlib.sha256(canonical(whole).encode()).hexdigest()


def train(
    learner: Stack[Any],
    data: "Transitions | Arrays",
    updates: int,
    batch: int,
    *,
    checkpoint: Checkpoint | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda *_: None,
    every: float = CHECKPOINT_SECONDS,
    moments: Collection[int] = (),
    keep: Callable[[int], None] = lambda _: None,
    precision: str = "float32",
    sample: Callable[[int], Any] | None = None,
    watch: Callable[[Curves], None] = lambda _: None,
) -> Curves:
    """Train a learner on a dataset, continuing from a checkpoint if there is one.

    Checkpoints are taken where a row of the curves is complete. No result depends on
    when they are.

    Args:
        learner: Freshly built; trained in place.
        data: The transitions, or the named arrays.
        updates: Number of updates.
        batch: B, rows an update and seed.
        checkpoint: Where the state is kept meanwhile; None for nowhere.
        report: Called after each log with updates done and metrics, mean over seeds.
        every: Least seconds between two checkpoints, >= 0.
        moments: Numbers of updates done at which ``keep`` is called. After a kill it
            may be called a second time for a moment, with the same policy.
        keep: Called with such a number; it may read the learner's policy.
        precision: Of the matrix products and what lies between the layers of a
            network, ``float32`` or ``bfloat16``. Weights, biases, optimisers, targets
            and losses are float32.
        sample: What gives the batch of an update by its number; None for what the
            learner and the data say.
        watch: Called after each log with the curves so far, to be read.

    Returns:
        One row for each seed and log.

    Raises:
        RefusedError: If the data cannot be trained on, or a metric or weight stops
            being finite; the last checkpoint then stays.
    """
    sample = sample or drawn(learner, data, batch)
    log_every = min(max(updates // 100, 1), 1000)
    start, curves = resume(learner, checkpoint) if checkpoint else (0, Curves())
    recent: list[dict[str, Tensor]] = []
    saved, kind = time.monotonic(), learner.device.type
    for step in range(start, updates):
        with products(precision, kind):
            recent.append(learner.update(sample(step), step))
        done = step + 1
        if done in moments:
            keep(done)
        if done % log_every and done != updates:
            continue
        means = log(curves, learner, recent, done)
        recent.clear()
        report(done, means)
        watch(curves)
        due = done == updates or time.monotonic() - saved >= every
        if checkpoint and due:
            tensors = learner.tensors()
            check_weights(learner, tensors, done)
            rows = torch.from_numpy(np.stack(curves.rows))
            checkpoint.save(done, {**tensors, "curves": rows}, curves.columns)
            saved = time.monotonic()
    check_weights(learner, learner.tensors(), updates)
    return curves


def products(precision: str, device: str) -> AbstractContextManager[object]:
    """A context in which matrix products have a precision.

    Args:
        precision: ``float32`` or ``bfloat16``.
        device: Its type.
    """
    if precision == "float32":
        return nullcontext()
    # weights move inside an update, so none is cached
    return torch.autocast(device, torch.bfloat16, cache_enabled=False)


def resume(learner: Stack[Any], checkpoint: Checkpoint) -> tuple[int, Curves]:
    """Bring a learner to the state of a checkpoint, if there is one.

    Args:
        learner: Changed in place.
        checkpoint: Where the state may be.

    Returns:
        Updates done, 0 without a checkpoint, and the curves so far.
    """
    state = checkpoint.load()
    if state is None:
        return 0, Curves()
    rows = state.tensors.pop("curves")
    learner.restore(state.tensors)
    return state.step, Curves(state.columns, list(rows.numpy()))


def log(
    curves: Curves,
    learner: Stack[Any],
    recent: Sequence[Mapping[str, Tensor]],
    done: int,
) -> dict[str, float]:
    """Add a row of each seed to the curves; returns the metrics' means over seeds."""
    names = list(recent[0])
    values = torch.stack(
        [torch.stack([metrics[name] for name in names]) for metrics in recent]
    ).double()  # (updates, metrics, S)
    if not values.isfinite().all():
        step, metric, seed = (int(i) for i in (~values.isfinite()).nonzero()[0])
        at = done - len(recent) + step
        _refuse(learner, names[metric], seed, at)
    means = values.mean(0)  # (metrics, S)
    curves.columns = ["update", "seed", *names]
    for k, seed in enumerate(learner.seeds):
        curves.rows.append(np.array([done, seed, *means[:, k].tolist()]))
    return dict(zip(names, means.mean(1).tolist(), strict=True))


def check_weights(
    learner: Stack[Any], tensors: Mapping[str, Tensor], done: int
) -> None:
    """Refuse weights or moments of optimisers that are not finite."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            seeds = len(learner.seeds)
            k = 0
            if tensor.dim() and len(tensor) % seeds == 0:
                finite = tensor.isfinite().view(seeds, -1).all(1)
                k = int((~finite).nonzero()[0])
            _refuse(learner, name, k, done)


def _refuse(learner: Stack[Any], what: str, k: int, step: int) -> None:
    """Say that training has diverged, and what may help."""
    room, name = learner.method()
    raise RefusedError(
        f"{room}.{name}",
        what,
        f"a number that is not finite at update {step} of {learner.labels[k]}",
        "finite numbers",
        f"lower the learning rates in params/{room}/{name}.yaml",
    )
