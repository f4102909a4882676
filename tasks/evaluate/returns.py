"""Undiscounted return in the real world, batched over episodes.

Each training seed's file plays one batch of ``episodes`` sub-environments, reset with
start_seed, start_seed + 1, ... One that has ended is parked and neither stepped nor
shown to the policy, so an episode counts once, however long the others last. Noise
inputs are zero, or standard normal where the file's contract asks for it, or as the
parameter ``acting`` says; it depends on start seed and step alone, so that all
variants of a policy meet the same. Evaluation starts lie below 2^20, training's above.

Reported are the mean and, as the score, the mean over training seeds of each seed's
interquartile mean (IQM) over its episodes; the interval is that of the score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from tasks.artifacts.actions import check_played
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.params import PARAMS, OneOf, Range
from tasks.evaluate import STARTS, Evaluator, Tell
from tasks.evaluate.engine.noise import Noise
from tasks.statistics.rule import VerdictParams

if TYPE_CHECKING:
    from tasks.artifacts.onnx_policy import OnnxPolicy
    from tasks.worlds import Batch, Floats, World


@dataclass(frozen=True)
class ReturnsParams(VerdictParams):
    """How episodes are played, and how their differences are judged.

    Attributes:
        episodes: Of each training seed.
        start_seed: Of the first episode; the next one's is one more.
        mode: Of onnxruntime: ``exact`` (float arithmetic), ``native`` (integer
            kernels), or ``auto``: what the file's contract says.
        acting: Noise of a policy that takes some: ``normal``, ``zero``, or ``auto``:
            what its contract says.
        threads: That step the world; results do not depend on it.
    """

    episodes: Annotated[int, Range(1, 10**6)]
    start_seed: Annotated[int, Range(0, 2**31 - 1)]
    mode: Annotated[str, OneOf(("auto", "exact", "native"))]
    acting: Annotated[str, OneOf(("auto", "normal", "zero"))]
    threads: Annotated[int, Range(1, 64)]

    def __post_init__(self) -> None:
        """Also refuse start seeds that training may have met."""
        super().__post_init__()
        last = self.start_seed + self.episodes - 1
        if last >= STARTS:
            raise RefusedError(
                PARAMS,
                "start_seed",
                f"{self.start_seed}, so that the last of the starts is {last}",
                f"all of them below {STARTS}",
                "lower start_seed or episodes",
            )


class Returns(Evaluator[ReturnsParams]):
    """Undiscounted returns of whole episodes, of every training seed's file."""

    def run(
        self, world: "World", policies: "Mapping[int, OnnxPolicy]", tell: Tell
    ) -> Episodes:
        """Play every file from the same starts, one batch of episodes a file."""
        params = self.params
        batch = world.make(params.episodes)
        batch.threads = params.threads
        starts = params.start_seed + np.arange(params.episodes)
        parts = [
            play(batch, policy, seed, starts, tell, params.acting)
            for seed, policy in sorted(policies.items())
        ]
        batch.close()
        return Episodes.join(parts)

    def summary(self, world: "World", episodes: Episodes) -> dict[str, Any]:
        """Return and score: mean, and the mean of the seeds' IQMs with its interval.

        The interval is Student's over training seeds; of a single one it is a
        bootstrap over its episodes, and says so.
        """
        table = episodes.table()
        per_seed = [
            {"seed": seed, "mean": float(row.mean()), "std": float(row.std())}
            for seed, row in zip(episodes.seeds, table, strict=True)
        ]
        return {
            "return": self._figures(table),
            "score": self._figures(world.score(table)),
            "per_seed": per_seed,
            "length_mean": float(episodes.length.mean()),
            "terminated": float(episodes.terminated.mean()),
        }

    def _figures(self, table: Any) -> dict[str, Any]:
        figure = self.params.score(table)
        return {
            "mean": float(table.mean()),
            "iqm": figure.middle,
            "low": figure.low,
            "high": figure.high,
            "of": figure.of,
        }


def play(
    batch: "Batch",
    policy: "OnnxPolicy",
    seed: int,
    starts: Any,
    tell: Tell,
    acting: str = "auto",
) -> Episodes:
    """Play one policy: one episode from each start.

    Args:
        batch: As many sub-environments as starts.
        policy: One training seed's file. It sees only rows of sub-environments that
            still run.
        seed: The training seed, for the table.
        starts: (N,), start seeds.
        tell: Called every 50 steps and at the end.
        acting: With which noise, ``zero``, ``normal`` or ``auto``: as its contract
            says. A policy without a noise input takes none.

    Raises:
        RefusedError: If an action is not finite or outside its bounds: a simulator
            would only warn, clip it or reset itself, and go on.
    """
    from tasks.worlds.engine.episodes import Moment  # the report needs none
    from tasks.worlds.engine.episodes import play as play_batch

    carry = policy.reset(len(starts))
    noise = None
    stated = policy.contract["outputs"]["action"]
    entry = policy.contract["inputs"].get("noise")
    if entry and (policy.acting if acting == "auto" else acting) == "normal":
        noise = Noise(starts, entry["shape"][1])

    def act(moment: Moment) -> "Floats":
        inputs = {"observation": moment.observation, "reward": moment.reward}
        if moment.legal is not None:
            inputs["legal"] = moment.legal
        if noise is not None:
            inputs["noise"] = noise(moment.step)[moment.episode]
        before = {name: value[moment.episode] for name, value in carry.items()}
        outputs, after = policy.step(inputs, before)
        for name, value in after.items():
            carry[name][moment.episode] = value
        action = outputs["action"]
        steps = int(batch.steps.max())
        check_played(action, stated, f"seed-{seed}.onnx", steps)
        return action

    def progress(step: int, returns: Any, live: int) -> None:
        tell(seed, step, returns[batch.ended], live)

    n = len(starts)
    played = play_batch(batch, act, starts.tolist(), progress)
    return Episodes(
        np.full(n, seed, np.int64),
        np.arange(n, dtype=np.int64),
        np.asarray(starts, np.int64),
        played.returns,
        played.lengths,
        played.terminated,
    )
