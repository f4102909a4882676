"""One action at a time: our ONNX file, torch eager, and d3rlpy's exported ONNX file.

    python -m benchmarks.latency [--rounds 5] [--calls 2000]

`make benchmarks` runs it too. The same architecture everywhere, 11 observations, two
hidden layers, 3 actions with tanh, batch 1, one thread. Both files run in the same
onnxruntime with the same options; ours holds normaliser and action scaling as well.
Ways take turns in rounds. ``act`` and ``predict`` are what users of either call.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks import episodes
from benchmarks.workers import Crew, together
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP

WIDTHS = (256, 64)  # of two hidden layers
O, A = episodes.O, episodes.A  # noqa: E741 - shapes as in tasks/train


def ours(width: int, folder: Path) -> tuple[Feedforward, OnnxPolicy]:
    """A random policy, and its ONNX file opened as the evaluator does.

    Args:
        width: Of its two hidden layers.
        folder: Where the file is written.
    """
    net = MLP([0], "actor", (O, width, width, A))
    low, high = -torch.ones(A), torch.ones(A)
    mean, std = torch.full((O,), 0.1), torch.full((O,), 1.5)
    policy = Feedforward(list(net.layers), "tanh", mean, std, low, high)
    hashes = ("dataset_sha256", "weights_sha256", "statistics_sha256")
    origin: dict[str, Any] = dict.fromkeys(("learner", "dataset", *hashes), "benchmark")
    origin |= {"seeds": [0], "world": "hopper", "env_id": "Hopper-v5", "made_by": []}
    path = folder / f"seed-{width}.onnx"
    contract = contract_of(policy, 0, {**origin, "step_seconds": 1}, "exact")
    write_onnx(path, build_model(policy, 0), contract)
    return policy, OnnxPolicy.open(path)


def eager(policy: Feedforward) -> torch.nn.Sequential:
    """The same network from torch's own layers, without the normaliser."""
    layers: list[torch.nn.Module] = []
    for mine in policy.layers:
        layer = torch.nn.Linear(mine.inputs, mine.outputs)
        with torch.no_grad():
            layer.weight.copy_(mine.weight[0].T)
            layer.bias.copy_(mine.bias[0, 0])
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Tanh())


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open d3rlpy's ONNX file with the options of ours."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def timed(call: Callable[[], Any], calls: int) -> list[int]:
    """Nanoseconds of each of some calls."""
    spent, clock = [], time.perf_counter_ns
    for _ in range(calls):
        begun = clock()
        call()
        spent.append(clock() - begun)
    return spent


def row(crew: Crew, width: int, data: Path, rounds: int, calls: int) -> dict[str, Any]:
    """Measure all ways in turns, at one width.

    Args:
        crew: The worker processes.
        width: Of the two hidden layers.
        data: Folder of the episodes d3rlpy is built with.
        rounds: How many turns count; one before them warms up.
        calls: Of each way in each round.
    """
    peer, hidden = crew.get("d3rlpy", "d3rlpy", 1), [width, width]
    request = {"do": "build", "learner": "td3_bc", "hidden": hidden, "batch": 256}
    together([peer], [{**request, "data": str(data)}])
    theirs = crew.folder / f"d3rlpy-{width}.onnx"
    together([peer], [{"do": "export", "path": str(theirs)}])
    policy, file = ours(width, crew.folder)
    net, other = eager(policy), session(theirs)
    x = np.zeros((1, O), np.float32)
    name = other.get_inputs()[0].name

    @torch.no_grad()
    def act() -> Any:
        return net(torch.from_numpy(x)).numpy()

    ways: dict[str, Callable[[], list[int]]] = {
        "ours, ONNX": lambda: timed(
            lambda: file.session.run(["action"], {"observation": x}), calls
        ),
        "d3rlpy, its ONNX": lambda: timed(
            lambda: other.run(["output_0"], {name: x}), calls
        ),
        "torch eager": lambda: timed(act, calls),
        "ours, act": lambda: timed(lambda: file.act(x), calls),
        "d3rlpy, predict": lambda: together(
            [peer], [{"do": "latency", "calls": calls}]
        )[0]["nanoseconds"],
    }
    quantiles: dict[str, dict[str, list[float]]] = {
        way: {"p50": [], "p99": []} for way in ways
    }
    for measured in range(rounds + 1):
        for way, run in ways.items():
            spent = run()
            for key in ("p50", "p99") if measured else ():  # the first warms up
                microseconds = float(np.percentile(spent, int(key[1:]))) / 1000
                quantiles[way][key].append(round(microseconds, 2))
    return {"hidden": hidden, "ways": quantiles}


def measure(rounds: int = 5, calls: int = 2000) -> dict[str, Any]:
    """Measure all ways at all widths.

    Args:
        rounds: At least 1.
        calls: Of each way in each round.

    Returns:
        Microseconds of each round, the 50th and 99th percentile of its calls.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder)) as crew:
        data = crew.folder / "episodes"
        episodes.write(data)
        rows = [row(crew, width, data, rounds, calls) for width in WIDTHS]
    return {"calls": calls, "rows": rows}


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help=">= 1")
    parser.add_argument("--calls", type=int, default=2000, help="a way and round")
    options = parser.parse_args()
    print(json.dumps(measure(options.rounds, options.calls), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
