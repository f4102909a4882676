"""The offline loop: updates, curves and checkpoints for any learner.

Shapes: S seeds, B batch.
"""

import hashlib
import inspect
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import tasks
from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, sha256
from tasks.artifacts.params import PARAMS
from tasks.train import Learner

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions

CHECKPOINT_SECONDS = 15.0  # at least this long between two checkpoints


@dataclass
class Curves:
    """What training looked like: one row a seed and log.

    Attributes:
        columns: ``update``, ``seed``, then the learner's metrics.
        rows: (rows, columns); metrics are means since the log before.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)

    def csv(self) -> str:
        """As text: whole numbers first, metrics with nine digits."""
        lines = [",".join(self.columns)]
        for update, seed, *values in self.rows:
            numbers = [f"{value:.9g}" for value in values]
            lines.append(",".join([str(int(update)), str(int(seed)), *numbers]))
        return "\n".join(lines) + "\n"


def settle() -> None:
    """One thread and deterministic kernels: the same run, the same bytes."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(0)


def check_precision(precision: str) -> None:
    """Refuse products this CPU could only imitate.

    Raises:
        RefusedError: If it is ``bfloat16`` and the CPU has no instructions for it.
    """
    has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if precision == "bfloat16" and not has:
        raise RefusedError(
            PARAMS,
            "study.precision",
            "bfloat16, which this CPU has no instructions for",
            "a CPU with avx512_bf16 or amx_bf16",
            "set study.precision to float32",
        )


def identity(
    learner: Learner,
    block: Mapping[str, Any],
    dataset: str,
    updates: int,
    batch: int,
    precision: str = "float32",
) -> str:
    """Hash of everything that determines a training; a checkpoint's folder name.

    Args:
        learner: Its seeds, its weights, and the files its class is made of.
        block: Its parameters.
        dataset: SHA-256 of the dataset.
        updates: Number of updates.
        batch: B.
        precision: Of the matrix products.
    """
    here = Path(tasks.__path__[0])
    files = [Path(inspect.getfile(type(learner)))]  # it imports no other method
    for pattern in (
        "nets/*.py",
        "train/_*.py",
        "artifacts/checkpoint.py",
        "artifacts/windows.py",
    ):
        files += sorted(here.glob(pattern))
    weights = learner.weights
    whole = {
        "weights": None
        if weights is None
        else hashlib.sha256(weights.data).hexdigest(),
        "params": dict(block),
        "sources": [sha256(file) for file in [*files, Path(__file__)]],
        "dataset": dataset,
        "seeds": list(learner.seeds),
        "updates": updates,
        "batch": batch,
        "precision": precision,
        "versions": [torch.__version__, np.__version__],
    }
    return hashlib.sha256(canonical(whole).encode()).hexdigest()


def train(
    learner: Learner,
    data: "Transitions",
    updates: int,
    batch: int,
    *,
    checkpoint: Checkpoint | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda *_: None,
    every: float = CHECKPOINT_SECONDS,
    moments: Collection[int] = (),
    keep: Callable[[int], None] = lambda _: None,
    precision: str = "float32",
) -> Curves:
    """Train a learner on a dataset, continuing from a checkpoint if there is one.

    A checkpoint is taken where a row of the curves is complete, and no result depends
    on when.

    Args:
        learner: Freshly built; trained in place.
        data: The transitions.
        updates: Number of updates.
        batch: Rows an update and seed.
        checkpoint: Where the state is kept meanwhile.
        report: Called after each log with updates done and metrics, mean over seeds.
        every: Seconds between checkpoints.
        moments: Numbers of updates done at which ``keep`` is called. After a kill it
            may be called a second time for a moment, with the same policy.
        keep: Called with such a number; it may read the learner's policy.
        precision: Of the matrix products and what lies between the layers of a
            network, ``float32`` or ``bfloat16``. Weights, biases, optimisers, targets
            and losses are float32.

    Raises:
        RefusedError: If the data cannot be trained on, or a metric or weight stops
            being finite; the last checkpoint then stays.
    """
    sample = learner.sampler(data, batch)
    log_every = min(max(updates // 100, 1), 1000)
    start, curves = resume(learner, checkpoint) if checkpoint else (0, Curves())
    recent: list[dict[str, Tensor]] = []
    saved = time.monotonic()
    for step in range(start, updates):
        with torch.autocast(
            "cpu",
            torch.bfloat16,
            enabled=precision == "bfloat16",
            cache_enabled=False,  # weights move inside an update
        ):
            recent.append(learner.update(sample(step), step))
        done = step + 1
        if done in moments:
            keep(done)
        if done % log_every and done != updates:
            continue
        means = _log(curves, learner, recent, done)
        recent.clear()
        report(done, means)
        due = done == updates or time.monotonic() - saved >= every
        if checkpoint and due:
            tensors = learner.tensors()
            _check_weights(learner, tensors, done)
            rows = torch.from_numpy(np.stack(curves.rows))
            checkpoint.save(done, {**tensors, "curves": rows}, curves.columns)
            saved = time.monotonic()
    _check_weights(learner, learner.tensors(), updates)
    return curves


def resume(learner: Learner, checkpoint: Checkpoint) -> tuple[int, Curves]:
    """Put a learner where a checkpoint says, if there is one: updates done, curves."""
    state = checkpoint.load()
    if state is None:
        return 0, Curves()
    rows = state.tensors.pop("curves")
    learner.restore(state.tensors)
    return state.step, Curves(state.columns, list(rows.numpy()))


def _log(
    curves: Curves, learner: Learner, recent: Sequence[Mapping[str, Tensor]], done: int
) -> dict[str, float]:
    """Add a row a seed; returns the metrics' means over seeds."""
    names = list(recent[0])
    values = torch.stack(
        [torch.stack([metrics[name] for name in names]) for metrics in recent]
    ).double()  # (updates, metrics, S)
    if not values.isfinite().all():
        step, metric, seed = (int(i) for i in (~values.isfinite()).nonzero()[0])
        at = done - len(recent) + step
        _refuse(learner, names[metric], learner.seeds[seed], at)
    means = values.mean(0)  # (metrics, S)
    curves.columns = ["update", "seed", *names]
    for k, seed in enumerate(learner.seeds):
        curves.rows.append(np.array([done, seed, *means[:, k].tolist()]))
    return dict(zip(names, means.mean(1).tolist(), strict=True))


def _check_weights(learner: Learner, tensors: Mapping[str, Tensor], done: int) -> None:
    """Refuse weights or moments that are not finite."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            seeds = len(learner.seeds)
            k = 0
            if tensor.dim() and len(tensor) % seeds == 0:
                finite = tensor.isfinite().view(seeds, -1).all(1)
                k = int((~finite).nonzero()[0])
            _refuse(learner, name, learner.seeds[k], done)


def _refuse(learner: Learner, what: str, seed: int, step: int) -> None:
    """Training has diverged."""
    name = type(learner).__module__.rpartition(".")[2]
    raise RefusedError(
        f"train.{name}",
        what,
        f"a number that is not finite at update {step} of seed {seed}",
        "finite numbers",
        f"lower the learning rates in params/train/{name}.yaml",
    )
