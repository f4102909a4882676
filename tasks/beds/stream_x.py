"""The bed of the claim ``stream_x``: arms that learn in one world, seed by seed.

A job is an arm, whose seeds learn in one stack, each in a world of its own. All take
as many steps, and none is played afterwards: what counts is the return while learning.

| arm | learner |
|---|---|
| ``plain`` | Q(lambda): dense start, no LayerNorm, nothing scaled, a fixed step |
| ``stream_x`` | stream Q(lambda), with all that the method adds |
| ``fixed`` | the same but for its step, which is fixed |
| ``traced`` | ``plain`` with the lambda of ``stream_x`` and a step for it |
| ``again`` | ``plain`` with other seeds, the negative control |
| ``replay`` | DQN, the positive control: it may learn from a step many times |

The learning curve has a point each hundredth of the steps, the mean return of a seed's
ten newest episodes. A result holds of each seed, (S,): ``course``, the mean of the
points of each fifth of the steps, whose last decides; ``fell``, the share of points
below 100 in the last fifth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.params import Distinct, Range, build
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.learn import OnlineLearner
from tasks.learn.dqn import DQN
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.learn.stream_x import StreamX
from tasks.train.engine.loop import Curves
from tasks.worlds import World
from tasks.worlds.cartpole import CartPole

ARMS = ("plain", "stream_x", "fixed", "traced", "again", "replay")
OTHERS = 1000  # between a seed and that of the negative control
FIFTHS = 5
EARLY = 100  # steps, and as much return: an episode that ends sooner has fallen


@dataclass(frozen=True)
class StreamXBedParams(BedParams):
    """Who learns, where and for how long; units stand in params/beds/stream_x.yaml.

    Attributes:
        world: Of all arms.
        streaming: Parameters of stream Q, with its class.
        fixed: What differs from them without ObGD.
        plain: What differs from them of plain Q(lambda).
        traced: And what differs from those.
        replaying: Parameters of DQN, with its class.
        batch: Rows an update of DQN.
    """

    world: dict[str, Any]
    streaming: dict[str, Any]
    fixed: dict[str, Any]
    plain: dict[str, Any]
    traced: dict[str, Any]
    replaying: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Range(0, OTHERS - 1), Distinct(1)]
    steps: Annotated[int, Range(100, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]

    def __post_init__(self) -> None:
        """Also refuse other worlds and learners, and arms that cannot be."""
        super().__post_init__()
        names = {"world": CartPole, "streaming": StreamX, "replaying": DQN}
        check_inner({name: getattr(self, name) for name in names}, names)
        for arm in ("fixed", "plain", "traced"):
            StreamX.Parameters.parse(self.block(arm), f"bed.stream_x.{arm}")

    def block(self, arm: str) -> Mapping[str, Any]:
        """The parameters of an arm's learner, with its class."""
        if arm == "replay":
            return self.replaying
        changed = {"stream_x": {}, "fixed": self.fixed}
        changed["traced"] = {**self.plain, **self.traced}
        return {**self.streaming, **changed.get(arm, self.plain)}


class StreamXBed(Bed[StreamXBedParams]):
    """Lets each arm learn."""

    def jobs(self) -> Sequence[Job]:
        """An arm each; what decides comes first."""
        used = {
            "stream_x": {"streaming"},
            "fixed": {"streaming", "fixed"},
            "traced": {"streaming", "plain", "traced"},
            "replay": {"replaying", "batch"},
        }
        own = {"streaming", "fixed", "plain", "traced", "replaying", "batch"}
        plain = {"streaming", "plain"}
        return [
            Job(arm, {"arm": arm}, tuple(sorted(own - used.get(arm, plain))))
            for arm in ARMS
        ]

    def run(self, job: Job, report: Report) -> Any:
        """Let an arm learn; returns what the head of this file says."""
        p, arm = self.params, job.settings["arm"]
        world: World = build(p.world, "bed.stream_x.world")
        more = OTHERS if arm == "again" else 0
        learner: OnlineLearner[Any] = build(
            p.block(arm),
            f"bed.stream_x, {arm}",
            spaces=spaces(world),
            seeds=tuple(seed + more for seed in p.seeds),
            updates=p.steps,
        )
        with TemporaryDirectory() as folder:
            curves = learn(
                learner,
                world,
                p.steps,
                p.batch,
                place=Path(folder),
                report=lambda done, _: report(done / p.steps),
                every=float("inf"),
            )
        points = returns(curves, learner.seeds)
        return {
            "course": fifths(points).tolist(),
            "fell": (fifths(points < EARLY)[:, -1]).tolist(),
        }


def returns(curves: Curves, seeds: Sequence[int]) -> np.ndarray:
    """The returns of a learning curve's points, (S, points)."""
    rows = np.stack(curves.rows)
    at = curves.columns.index("return")
    return np.stack([rows[rows[:, 1] == seed, at] for seed in seeds])


def fifths(points: np.ndarray) -> np.ndarray:
    """Means of a curve's five parts, (S, points) -> (S, 5)."""
    parts = np.array_split(points, FIFTHS, axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)
