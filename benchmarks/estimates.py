"""Estimates without a world beside true returns: ``python -m benchmarks.estimates``.

Writes ``benchmarks/estimates.json`` and, rendered from it alone, ``estimates.md``. For
each world a dataset is recorded as the project's mixtures are, only smaller, by
the checkpoints of ``data/behaviors``, which act with their own noise. What is judged is
every distinct checkpoint at every scale of :data:`NOISES`, whether it made data or not;
none is left out. Its true return is measured in the world with the same noise. The
estimators have the parameters of ``params/estimate``.

The question is whether an estimate puts policies in the right order: Spearman's rank
correlation over the policies, with a bootstrap interval over them.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.estimates_page import render
from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.files import read_json, sha256, write_json, write_text
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.transitions import Transitions
from tasks.estimate import Target, target
from tasks.estimate.cores.fitted_q import Fitted
from tasks.estimate.cores.importance import log_weights
from tasks.generate.engine.recording import Plan, collect
from tasks.statistics.intervals import percentiles
from tasks.worlds import World
from tasks.worlds.engine.behaviors import BEHAVIORS, open_behavior

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "estimates.json", HERE / "estimates.md"
PARAMS = HERE.parent / "params"
DATA = {  # policy and steps, as in params/dataset
    "pendulum": [("replay-0", 5_000), ("medium", 5_000), ("expert", 10_000)],
    "hopper": [(f"replay-{i}", 5_000) for i in range(5)] + [("medium", 25_000)],
}
NOISES = {"pendulum": (0.5, 1.0, 2.0), "hopper": (0.5, 1.0)}
METHODS = ("fqe", "wis", "dr")
EPISODES = 20  # a policy, for its true return
DATA_SEED, TRUE_SEED = 0, 50  # of start states and noise
RESAMPLES, CONFIDENCE = 2000, 0.95  # of rank correlations


def block(group: str, name: str) -> dict[str, Any]:
    """A method's parameters."""
    text = (PARAMS / group / f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def checkpoints(world: str) -> list[str]:
    """Distinct ones; a name whose file is another's is not listed again."""
    names: dict[str, str] = {}
    for path in sorted((BEHAVIORS / world).glob("*.onnx")):
        names.setdefault(sha256(path), path.stem)
    return list(names.values())


def quiet(*_: Any) -> None:
    """Progress that nobody watches."""


def record(world: World, parts: list[Any]) -> list[Episode]:
    """Episodes of (policy, noise, seed, part, episodes, steps)."""
    return collect(
        world,
        [
            (
                open_behavior(BEHAVIORS, world, policy, noise),
                Plan(seed, number, episodes, steps, 16),
            )
            for policy, noise, seed, number, episodes, steps in parts
        ],
        quiet,
    )


def logged(world: World, place: Path) -> Transitions:
    """The dataset, written and read as any."""
    name = world.params.name
    parts = [
        (policy, 1.0, DATA_SEED, number, None, steps)
        for number, (policy, steps) in enumerate(DATA[name])
    ]
    folder = place / f"{name}-v0"
    write_dataset(
        folder, folder.name, record(world, parts), world, block("world", name)
    )
    return load_transitions(folder)


def truth(world: World, policies: list[tuple[str, float]], gamma: float) -> Any:
    """Discounted and plain returns of each policy, (policies, EPISODES) each."""
    returns = []
    for number, (policy, noise) in enumerate(policies):
        parts = [(policy, noise, TRUE_SEED, number, EPISODES, None)]
        played = record(world, parts)
        returns.append(
            [
                [float(e.rewards @ gamma ** np.arange(len(e))) for e in played],
                [e.ret for e in played],
            ]
        )
    return np.array(returns).transpose(1, 0, 2)


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> Any:
    """Rank correlation over the last axis; equal values share their mean rank."""
    ranks = []
    for x in (a, b):
        row, column = x[..., :, None], x[..., None, :]
        rank = (row > column).sum(axis=-1) + (row == column).sum(axis=-1) / 2
        ranks.append(rank - rank.mean(axis=-1, keepdims=True))
    x, y = ranks
    norms = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return (x * y).sum(axis=-1) / norms


def ranked(a: Any, b: Any) -> dict[str, float]:
    """Spearman's rho with a percentile bootstrap interval over policies."""
    a, b = np.array(a), np.array(b)
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(a), (RESAMPLES, len(a)))
    draws = draws[np.ptp(draws, axis=1) > 0]  # one policy alone has no order
    low, high = percentiles(spearman(a[draws], b[draws]), CONFIDENCE)
    return {"rho": float(spearman(a, b)), "low": low, "high": high}


def measure(name: str) -> dict[str, Any]:
    """One world."""
    world: World = build(block("world", name), f"world.{name}")
    policies = [(p, noise) for p in checkpoints(name) for noise in NOISES[name]]
    with tempfile.TemporaryDirectory() as place:
        data = logged(world, Path(place))
    targets: dict[int, Target] = {}
    for number, (policy, noise) in enumerate(policies):
        path = BEHAVIORS / name / f"{policy}.onnx"
        opened = OnnxPolicy.open(path, distribution=True)
        targets[number] = target(path, opened, data, noise)
    gamma = block("estimate", "fqe")["discount"]
    discounted, plain = truth(world, policies, gamma)
    rows = [
        {
            "policy": policy,
            "noise": noise,
            "discounted": float(discounted[k].mean()),
            "discounted_error": float(discounted[k].std(ddof=1) / EPISODES**0.5),
            "return": float(plain[k].mean()),
            "estimates": {},
        }
        for k, (policy, noise) in enumerate(policies)
    ]
    by_method, seconds = judged(data, targets)
    for method, estimate in by_method.items():
        effective = estimate.get("effective", [{}] * len(rows))
        for row, of_policy, size in zip(
            rows, estimate["per_seed"], effective, strict=True
        ):
            kept = {end: of_policy[end] for end in ("mean", "low", "high")}
            sizes = {k: v for k, v in size.items() if k != "seed"}
            row["estimates"][method] = kept | sizes
    for row, share in zip(rows, by_method["fqe"]["bounded"], strict=True):
        row["estimates"]["fqe"]["bounded"] = share
    return {
        "world": name,
        "data": [{"policy": policy, "steps": steps} for policy, steps in DATA[name]],
        "steps": len(data.reward),
        "episodes": len(data.returns),
        "discount": gamma,
        "true_episodes": EPISODES,
        "policies": rows,
        "ranks": {method: agreement(rows, method) for method in METHODS},
        "ranks_of_data": {
            method: agreement(covered(name, rows), method) for method in METHODS
        },
        "cpu_seconds": seconds,
        "params": {method: block("estimate", method) for method in METHODS},
    }


def judged(data: Transitions, targets: dict[int, Target]) -> Any:
    """What each method says, and the seconds it took; fqe and dr share one fit.

    The scale of the noise is each target's own; a method asks only whether there is
    any.
    """
    fqe, wis, dr = (
        build(block("estimate", method) | {"noise": 1.0}, f"estimate.{method}")
        for method in METHODS
    )
    clock = [time.process_time()]
    fitted = Fitted(fqe.params, data, targets)
    fitted.fit(lambda share, words: print(f"{share:.0%} {words}", end="\r"))
    by_method = {"fqe": fqe.read(fitted)}
    clock.append(time.process_time())
    by_method["wis"] = wis.estimate(data, targets, quiet)
    clock.append(time.process_time())
    logs = [log_weights(data, policy, 1.0) for policy in targets.values()]
    by_method["dr"] = dr.read(fitted, logs)
    clock.append(time.process_time())
    return by_method, dict(zip(METHODS, np.diff(clock).round(1).tolist(), strict=True))


def covered(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the checkpoints that made data, at any noise."""
    makers = [policy for policy, _ in DATA[name]]
    return [row for row in rows if row["policy"] in makers]


def agreement(rows: list[dict[str, Any]], method: str) -> dict[str, Any]:
    """Of estimates with true returns, discounted as the estimates and plain."""
    values = [row["estimates"][method]["mean"] for row in rows]
    true = [row["discounted"] for row in rows]
    return {
        "discounted": ranked(values, true),
        "return": ranked(values, [row["return"] for row in rows]),
        "median_error": float(np.median(np.abs(np.subtract(values, true)))),
    }


def main() -> None:
    """Measure the worlds named, or all, and write; the others' figures stay."""
    for name in sys.argv[1:] or DATA:
        measured = measure(name)
        results = {"schema": 1, "worlds": {}}
        if RESULTS.exists():
            results = read_json(RESULTS, "python -m benchmarks.estimates")
        results["worlds"][name] = measured
        write_json(RESULTS, results)
        write_text(PAGE, render(results))


if __name__ == "__main__":
    main()
