"""Train Offcut's learners, or those of one file, in a process of their own.

    python -m benchmarks.our_worker ours|single_file THREADS

It answers each line of JSON with one, as ``workers.py`` asks it to. The second kind is
``single_file.py``, in the same process for the same library, data and clock.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import single_file
from benchmarks.episodes import transitions
from tasks.artifacts.params import build
from tasks.train.engine.loop import products, settle
from tasks.train.engine.minibatches import batches
from tasks.train.engine.table import spaces

PARAMS = Path(__file__).parents[1] / "params/train"
SIZE = 256  # of the square product
WARM_UP = 3
UPDATES = 1_000_000  # what schedules count on
GAUSSIAN = {"iql": {"policy": "gaussian"}}  # as d3rlpy's, for the same work


def serve(kind: str, threads: int) -> None:
    """Answer requests until standard input ends."""
    if kind == "ours":
        settle()
    else:  # torch's own kernels, and threads as without our package
        torch.set_num_threads(threads)
    stack: Stack | None = None
    for line in sys.stdin:
        request = json.loads(line)
        match request.pop("do"):
            case "build":
                stack = Stack(kind, **request)
                answer = stack.about
            case "train":
                assert stack is not None  # noqa: S101 - built before
                answer = stack.train(**request)
            case _:
                answer = {"gflops": product_rate(**request)}
        print(json.dumps(answer), flush=True)  # noqa: T201


def product_rate(dtype: str, seconds: float) -> float:
    """Rate of products of 256 x 256 matrices, in 10^9 operations a second.

    Args:
        dtype: Name of torch's type of the numbers.
        seconds: How long to measure.
    """
    kind = getattr(torch, dtype)
    a, b = torch.randn(SIZE, SIZE).to(kind), torch.randn(SIZE, SIZE).to(kind)
    begun, products = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        torch.mm(a, b)
        products += 1
    return 2 * SIZE**3 * products / spent / 1e9


def block(learner: str, hidden: list[int]) -> dict[str, Any]:
    """Parameters of a learner: its own YAML with other hidden widths."""
    loaded = yaml.safe_load((PARAMS / f"{learner}.yaml").read_text())
    widths = {k: hidden for k in ("actor_hidden", "critic_hidden") if k in loaded}
    return {**loaded, **widths, **GAUSSIAN.get(learner, {})}


class Stack:
    """One learner and its batches, warmed up.

    Args:
        kind: "ours" or "single_file".
        learner: Name.
        hidden: Widths of all networks.
        seeds: One slice each; more than one only of ours.
        batch: Rows an update and seed.
        data: Folder that ``episodes.py`` wrote.
        precision: Of the matrix products of ours, set as the engine sets it.
    """

    def __init__(
        self,
        kind: str,
        learner: str,
        hidden: list[int],
        seeds: list[int],
        batch: int,
        data: str,
        precision: str = "float32",
    ) -> None:
        self.precision = precision
        self.step, table = 0, transitions(Path(data))
        self.about: dict[str, Any] = {}
        self.update: Callable[[int], Any]
        if kind == "single_file":
            self.update = single_file.LEARNERS[learner](table, hidden, batch).update
        else:
            trained: Any = build(
                block(learner, hidden),
                f"train.{learner}",
                spaces=spaces(table),
                seeds=tuple(seeds),
                updates=UPDATES,
            )
            sample = batches(trained, table, batch)
            self.update = lambda step: trained.update(sample(step), step)
            self.about["gflop_an_update"] = self._operations() / 1e9 / len(seeds)
        for _ in range(WARM_UP):
            self._once()

    def _once(self) -> None:
        with products(self.precision, "cpu"):
            self.update(self.step)
        self.step += 1

    def _operations(self) -> float:
        """Operations of the matrix products of one update, mean of two updates.

        Two, as TD3+BC moves its actor every second time. A layer with one output is
        no matrix product here and is not counted. Counted in bfloat16, whose products
        are all torch's: of those in compiled loops the counter sees nothing.
        """
        with FlopCounterMode(display=False) as counter, products("bfloat16", "cpu"):
            for _ in range(2):
                self.update(self.step)
                self.step += 1
        return counter.get_total_flops() / 2

    def train(self, seconds: float) -> dict[str, float]:
        """Update for some seconds; the first update to end after them is the last."""
        begun, first = time.perf_counter(), self.step
        while (spent := time.perf_counter() - begun) < seconds:
            self._once()
        return {"updates": self.step - first, "seconds": spent}


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
