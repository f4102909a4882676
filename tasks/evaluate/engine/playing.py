"""Playing the files of one variant of a policy, and writing what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.files import whole_folder
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.ownership import check_place
from tasks.artifacts.progress import Progress
from tasks.artifacts.variants import Variant
from tasks.evaluate import Evaluator
from tasks.evaluate.engine.agreement import Watched, errors, logged
from tasks.evaluate.engine.compatibility import check_fits
from tasks.evaluate.engine.regret import regret
from tasks.evaluate.engine.world import world_of
from tasks.loggers import Runs
from tasks.worlds import World

LOGGED = {"score": "iqm", "score_low": "low", "score_high": "high"}


def open_policies(
    variant: Variant, world: World, mode: str | None
) -> dict[int, Watched]:
    """Open every training seed's file, after all checks.

    Raises:
        RefusedError: If a file is missing, or does not fit its hash, the variant or the
            world.
    """
    policies = {}
    for seed, path in variant.files().items():
        policy = Watched.open(path, mode)
        variant.check(path, seed, policy.contract)
        check_fits(path, policy.contract, world)
        policies[seed] = policy
    return policies


def played(
    evaluator: Evaluator[Any],
    world: World,
    policies: Mapping[int, OnnxPolicy],
    title: str,
) -> Episodes:
    """Run the evaluator behind a progress bar."""
    finished: dict[int, Any] = {}
    limit = world.params.max_steps
    with Progress(title, len(policies) * limit) as progress:

        def tell(seed: int, step: int, returns: Any, live: int) -> None:
            finished[seed] = returns
            ended = np.concatenate(list(finished.values()))
            mean = f"{ended.mean():.1f}" if len(ended) else "-"
            words = f"seed {seed} step {step}: {live} live, mean return {mean}"
            # episodes are played together, so steps tell more than ended episodes
            progress((len(finished) - 1) * limit + (step if live else limit), words)

        return evaluator.run(world, policies, tell)


def log(variant: Variant, done: int, metrics: Mapping[str, Any]) -> None:
    """Pass on what came out after these updates, or steps, to a logger, if any."""
    numbers = {key: metrics["score"][end] for key, end in LOGGED.items()}
    numbers |= {"return": metrics["return"]["iqm"], "length": metrics["length_mean"]}
    with Runs() as runs:
        name = f"{variant.dataset}-{variant.learner}/{variant.variant}"
        runs.log(name, done, {f"evaluate/{k}": v for k, v in numbers.items()})


def evaluate(
    evaluator: Evaluator[Any], name: str, variant: Variant, params: Mapping[str, Any]
) -> str:
    """Play the files of one variant and write what came out; says it in a line.

    Args:
        evaluator: How they are played.
        name: Of its method; the folder has it from the variant alone.
        variant: Which files.
        params: The composed parameters.
    """
    del name
    out = variant.folder("evaluations")
    check_place(out)
    world = world_of(variant.dataset)
    mode = evaluator.params.mode
    opened = None if mode == "auto" else mode
    policies = open_policies(variant, world, opened)
    parents: dict[int, Watched] = {}
    if variant.float32:
        parents = open_policies(variant.float32, world, opened)
        rows = logged(Path("data/datasets") / f"{variant.dataset}-v0")
    with whole_folder(out) as folder:
        title = f"{variant.dataset} {variant.learner} {variant.variant}"
        episodes = played(evaluator, world, policies, title)
        session = next(iter(policies.values())).session_info()
        metrics = {
            "schema": 1,
            "dataset": variant.dataset,
            "learner": variant.learner,
            "variant": variant.variant,
            "world": world.params.name,
            "mode": session["mode"],
            "episodes": evaluator.params.episodes,
            "seeds": list(variant.seeds),
            "session": session,
            **evaluator.summary(world, episodes),
        }
        if parents:
            metrics["action_error"] = errors(policies, parents, rows)
        if lost := regret(world, policies, variant.files()):
            metrics["regret"] = lost
        write_evaluation(folder, episodes, metrics)
    contract = next(iter(policies.values())).contract
    done = contract.get("learned", {}).get("steps", params["study"].get("updates", 0))
    log(variant, done, metrics)
    score = metrics["score"]
    return (
        f"{title}: return {metrics['return']['iqm']:.1f}, score {score['iqm']:.1f} "
        f"[{score['low']:.1f}, {score['high']:.1f}], "
        f"{metrics['terminated']:.0%} terminated"
    )
