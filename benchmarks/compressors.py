"""Every compressor on one policy, beside onnxruntime's own quantiser.

    python -m benchmarks.compressors FOLDER [--dataset D] [--learner L]

FOLDER is where a study has trained L on D (``dvc repro``). Compresses that policy with
the parameters of ``params/compress/``, writes the files, and measures them all alike:
action error on rows held out and on states that the policy visits, bytes, latency,
score. ``compressors.json`` keeps the figures and docs/compressors.md is drawn from it
alone; without FOLDER only the page is.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from benchmarks.compressors_files import HELD_OUT, ROOT, Files, params
from benchmarks.compressors_page import page
from tasks.artifacts.files import write_json, write_text
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build
from tasks.evaluate import Evaluator
from tasks.nets.policy import Policy
from tasks.statistics.verdict import judge_scores

KEPT, PAGE = ROOT / "benchmarks/compressors.json", ROOT / "docs/compressors.md"
VARIANTS = (
    *("float32", "w8", "int8_static", "gptq4", "qat4"),
    *("structured", "distill", "distill-int8_static", "quest"),
)
EPISODES, THREADS = 16, 2
BATCHES = {1: 400, 256: 20}  # rows of a call: calls a round
ROUNDS = 41
DESCRIBED = ("cpu", "packages", "platform", "python")


def errors(
    policies: Mapping[int, OnnxPolicy], parent: Policy, states: Mapping[str, Tensor]
) -> dict[str, float]:
    """Mean difference of the files' actions from the parent's, in half their range."""
    found = {}
    for where, observations in states.items():
        with torch.no_grad():
            wanted = parent(observations)
        unit = parent.action_unit.numpy()
        each = [
            np.abs(policy.act(observations[k].numpy()) - wanted[k].numpy()) / unit
            for k, policy in enumerate(policies.values())
        ]
        found[where] = float(np.mean(each))
    return found


def latencies(
    policies: Mapping[str, OnnxPolicy], rows: np.ndarray
) -> dict[str, dict[str, float]]:
    """Microseconds a call by variant and batch: medians of rounds in turns.

    Of the thread that computes, so that other work on the machine counts little.
    """
    taken: dict[str, dict[int, list[float]]] = {
        name: {size: [] for size in BATCHES} for name in policies
    }
    for _ in range(ROUNDS):
        for size, calls in BATCHES.items():
            feed = {"observation": np.ascontiguousarray(rows[:size])}
            for name, policy in policies.items():
                run, clock = policy.session.run, time.thread_time_ns
                begun = clock()
                for _ in range(calls):
                    run(None, feed)
                taken[name][size].append((clock() - begun) / calls / 1000)
    return {
        name: {str(size): float(np.median(times)) for size, times in of.items()}
        for name, of in taken.items()
    }


def measure(dataset: str, learner: str) -> dict[str, Any]:
    """All figures, of the project in the working directory."""
    with TemporaryDirectory() as place:
        files = Files(Path(place), dataset, learner)
        for variant in VARIANTS:
            files.compress(variant)
        files.quantise()
        states = files.states()
        opened = {variant: files.open(variant) for variant in files.modes}
        block = params("evaluate", "returns") | {"episodes": EPISODES}
        evaluator: Evaluator[Any] = build(
            block | {"threads": THREADS}, "evaluate.returns"
        )
        firsts = {name: next(iter(p.values())) for name, p in opened.items()}
        times = latencies(firsts, states["data"][0].numpy())
        played = {
            name: evaluator.run(files.world, policies, lambda *_: None)
            for name, policies in opened.items()
        }
        world = params("world", files.world.params.name)
        rows = []
        for name, policies in opened.items():
            judged = judge_scores(
                played[name], played["float32"], world, evaluator.params
            )
            summary = evaluator.summary(files.world, played[name])
            rows.append(
                {
                    "variant": name,
                    "action_error": errors(policies, files.parent, states),
                    "bytes": files.size(name),
                    "us": times[name],
                    "score": {k: summary["score"][k] for k in ("low", "iqm", "high")},
                    "terminated": summary["terminated"],
                    "change": {
                        "word": judged.word,
                        "mean": judged.difference,
                        "low": judged.low,
                        "high": judged.high,
                    },
                    "seconds": files.seconds[name],
                }
            )
        about = {
            "dataset": dataset,
            "learner": learner,
            "seeds": files.seeds,
            "updates": files.origin.get("updates"),
            "widths": [x.outputs for x in files.parent.linears().values()],  # type: ignore[misc]
            "episodes": EPISODES,
            "states": HELD_OUT,
            "onnxruntime": onnxruntime.__version__,
        }
    return about | {"rows": rows}


def main() -> None:
    """Measure, if there is a policy, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where a study ran")
    parser.add_argument("--dataset", default="halfcheetah_medium_replay")
    parser.add_argument("--learner", default="iql")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.folder:
        os.chdir(given.folder)
        environment = json.loads(Path("environment.json").read_text(encoding="utf-8"))
        found = measure(given.dataset, given.learner)
        found["environment"] = {key: environment[key] for key in DESCRIBED}
        write_json(KEPT, found)
    write_text(PAGE, page(json.loads(KEPT.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
