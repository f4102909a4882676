"""The bed of the claim ``stock_augmented_dp``: objectives in a world with a known best.

A job is an objective, learned by every seed in one stack. What each seed's policy comes
to is no sample: the law of its returns is enumerated, and the mean of its worst share
computed. ``exact`` is the table of ``tasks/worlds/cores/stock.py``, which is the most
there is; ``again`` is the first job once more with other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch

from tasks.artifacts.params import Distinct, Range, build
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.learn.stock_augmented import StockAugmented
from tasks.nets.stock import StockPolicy
from tasks.train.engine.loop import settle
from tasks.worlds.cores.finite import FiniteWorld
from tasks.worlds.cores.stock import Law, best_cvar, cvar, mean, outcomes

LEARNERS = {"stock_augmented": StockAugmented}
ARMS = ("worst", "worst_without_stock", "mean")
APART = 1_000_000  # between seeds and those of the job that is done again


@dataclass(frozen=True)
class StockAugmentedDPBedParams(BedParams):
    """Units and ranges stand in params/beds/stock_augmented_dp.yaml.

    Attributes:
        made: The block of the dataset whose world is meant.
        methods: Parameters of the learner, with its class.
    """

    made: dict[str, Any]
    methods: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Range(0, 900_000), Distinct(2)]
    steps: Annotated[int, Range(1, 10**7)]
    batch: Annotated[int, Range(1, 2**20)]


class StockAugmentedDPBed(Bed[StockAugmentedDPBedParams]):
    """Laws of returns of learned policies, and of the best."""

    @classmethod
    def check_params(cls, params: StockAugmentedDPBedParams, where: str) -> None:
        """Refuse another learner."""
        check_inner(params.methods, LEARNERS, f"{where}.methods")

    def jobs(self) -> Sequence[Job]:
        """The objectives, one again, and the table."""
        names = [*ARMS, "again", "exact"]
        return [Job(name, {"arm": name}) for name in names]

    def run(self, job: Job, report: Report) -> Any:
        """Learn, and enumerate.

        Returns:
            ``worst`` and ``mean`` of the returns, a number a seed.
        """
        settle()
        arm, p = job.settings["arm"], self.params
        world: FiniteWorld = build(p.made["world"], "world")
        share = p.methods["stock_augmented"]["share"]
        if arm == "exact":
            start, table = best_cvar(world, share)
            laws = [table.law(start)] * len(p.seeds)
        else:
            again = arm == "again"
            seeds = tuple(seed + APART * again for seed in p.seeds)
            objective = {"objective": "worst" if again else arm}
            policy = self.learned(world, seeds, objective, report)
            laws = [law_of(world, policy, k) for k in range(len(seeds))]
        worst = [cvar(law, share) for law in laws]
        return {"worst": worst, "mean": [mean(law) for law in laws]}

    def learned(
        self,
        world: FiniteWorld,
        seeds: tuple[int, ...],
        changed: Mapping[str, Any],
        report: Report,
    ) -> StockPolicy:
        """The policy of all seeds."""
        p = self.params
        more: dict[str, Any] = {"spaces": spaces(world), "seeds": seeds}
        block = {**p.methods["stock_augmented"], **changed}
        learner = build(block, "learn.stock_augmented", updates=p.steps, **more)

        def tell(done: int, metrics: Any) -> None:
            del metrics
            report(done / p.steps)

        with TemporaryDirectory() as place:
            learn(learner, world, p.steps, p.batch, place=Path(place), report=tell)
        policy: StockPolicy = learner.policy()
        return policy


def law_of(world: FiniteWorld, policy: StockPolicy, k: int) -> Law:
    """The chance of each return of a seed's policy in a process.

    Args:
        world: Where it acts.
        policy: All seeds.
        k: Which.
    """
    process, labels = world.process, world.process.labels
    seeds = policy.seeds
    paths = {(process.start, 0): (1.0, policy_begin(seeds), 0)}
    law: dict[int, float] = {}
    for t in range(process.horizon):
        later: dict[tuple[int, int], tuple[float, dict[str, torch.Tensor], int]] = {}
        for (s, earned), (mass, carry, gain) in paths.items():
            seen = torch.tensor([float(t), *map(float, labels[s])])
            reward = torch.full((seeds, 1, 1), gain * process.unit)
            inputs = {"observation": seen.expand(seeds, 1, -1), "reward": reward}
            with torch.no_grad():
                outputs, after = policy.step(inputs, carry)
            for s2, more, chance, over in outcomes(
                process, s, int(outputs["action"][k])
            ):
                total, share = earned + more, mass * chance
                if over or t + 1 == process.horizon:
                    law[total] = law.get(total, 0.0) + share
                else:  # with the same total the stock is the same
                    known = later.get((s2, total), (0.0, after, more))[0]
                    later[s2, total] = (known + share, after, more)
        paths = later
    return {units * process.unit: mass for units, mass in sorted(law.items())}


def policy_begin(seeds: int) -> dict[str, torch.Tensor]:
    """What the policy carries when an episode begins."""
    return {name: torch.zeros(seeds, 1, 1) for name in ("stock", "begun")}
