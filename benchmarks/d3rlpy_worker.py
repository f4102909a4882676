"""d3rlpy's training as a worker process, in an environment of its own.

``workers.py`` starts it and sends requests, one JSON object a line of standard input;
each names a method of `Peer` in ``do`` and is answered with one line.

It is driven by its public calls, ``sample_transition_batch`` and ``update``, as its
``fit`` does, without ``fit``'s log, progress bar and saved models: those cost further
time that is not counted against it.
"""

import functools
import json
import sys
import time
from pathlib import Path

import d3rlpy
import numpy as np
import torch
from d3rlpy.models import VectorEncoderFactory

WARM_UP = 5


def serve() -> None:
    """Answer requests until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr  # d3rlpy logs to standard output
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request.pop("do"))(**request)
        out.write(json.dumps(answer) + "\n")
        out.flush()


def config(
    learner: str, hidden: list, batch: int, samples: int
) -> d3rlpy.base.LearnableConfig:
    """Configure a learner: d3rlpy's defaults but for batch, widths and CQL's samples.

    Args:
        learner: The project's name of it: bc, td3_bc, iql or cql.
        hidden: Widths of the hidden layers of all networks.
        batch: Rows an update.
        samples: Actions a row that CQL draws from each of its three sources; its
            multiplier is fixed, as the project's is.
    """
    own = VectorEncoderFactory(hidden_units=hidden)
    both = {"actor_encoder_factory": own, "critic_encoder_factory": own}
    algos = d3rlpy.algos
    if learner == "bc":
        chosen = algos.BCConfig(batch_size=batch, encoder_factory=own)
    elif learner == "td3_bc":
        chosen = algos.TD3PlusBCConfig(batch_size=batch, **both)
    elif learner == "iql":
        value = {"value_encoder_factory": own}
        chosen = algos.IQLConfig(batch_size=batch, **both, **value)
    else:
        fixed = {"n_action_samples": samples, "alpha_learning_rate": 0.0}
        chosen = algos.CQLConfig(batch_size=batch, **both, **fixed)
    return chosen


def replay(data: str) -> d3rlpy.dataset.ReplayBuffer:
    """Read the episodes that ``episodes.py`` wrote.

    Of an episode that is cut d3rlpy leaves out the last step.

    Args:
        data: Their folder.
    """
    shapes = json.loads((Path(data) / "shapes.json").read_text(encoding="utf-8"))
    names = ("observation", "action", "reward", "terminated")
    arrays = [
        np.fromfile(Path(data) / name, np.float32).reshape(shapes[name])
        for name in names
    ]
    episodes = [
        d3rlpy.dataset.Episode(o[:-1], a, r[:, None], terminated=bool(d))
        for o, a, r, d in zip(*arrays, strict=True)
    ]
    buffer = d3rlpy.dataset.InfiniteBuffer()
    return d3rlpy.dataset.ReplayBuffer(buffer, episodes=episodes)


class Peer:
    """What can be asked for: one learner at a time, all on the same data."""

    replay: d3rlpy.dataset.ReplayBuffer | None = None

    def versions(self) -> dict:
        """Versions of what runs here, and how many threads torch has."""
        return {
            "d3rlpy": d3rlpy.__version__,
            "numpy": np.__version__,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }

    def build(
        self, learner: str, hidden: list, batch: int, data: str, samples: int = 10
    ) -> dict:
        """Build a learner and warm it up.

        Args:
            learner: The project's name of it: bc, td3_bc, iql or cql.
            hidden: Widths of the hidden layers.
            batch: Rows an update.
            data: Folder of the episodes that ``episodes.py`` wrote.
            samples: Actions a row that CQL draws from each of its sources.
        """
        if self.replay is None:
            self.replay = replay(data)
        self.batch = batch
        d3rlpy.seed(0)
        self.algo = config(learner, hidden, batch, samples).create(device="cpu")
        self.algo.build_with_dataset(self.replay)
        for _ in range(WARM_UP):
            self.step()
        return self.versions()

    def step(self) -> None:
        """Make one update."""
        self.algo.update(self.replay.sample_transition_batch(self.batch))

    def train(self, seconds: float) -> dict:
        """Make updates for some seconds; the first that ends after them is the last."""
        begun, updates = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds:
            self.step()
            updates += 1
        return {"updates": updates, "seconds": spent}

    def export(self, path: str) -> dict:
        """Write d3rlpy's own ONNX file of the policy.

        torch 2.13 refuses the traced function that d3rlpy 2.8.1 hands to its exporter,
        unless asked for the older exporter, which was the default then.
        """
        export = torch.onnx.export
        torch.onnx.export = functools.partial(export, dynamo=False)
        try:
            self.algo.save_policy(path)
        finally:
            torch.onnx.export = export
        return {"path": path}

    def latency(self, calls: int) -> dict:
        """Nanoseconds of each ``predict`` at batch 1, as its users call it."""
        spent, x = [], np.zeros((1, *self.algo.observation_shape), np.float32)
        for _ in range(calls):
            begun = time.perf_counter_ns()
            self.algo.predict(x)
            spent.append(time.perf_counter_ns() - begun)
        return {"nanoseconds": spent}


if __name__ == "__main__":
    serve()
