"""The bed of the claim ``dynamical_linear_bandits``: what the study leaves out.

A job is a learner in a world with parameters of its own, as many trials and steps as
the study's. Beside the study's four learners in the "real" world stand

| job | what it asks |
|---|---|
| ``no hidden state`` | LinUCB where each arm earns at once what it earns in the end |
| ``synthetic`` | both in the authors' other system |
| ``rho`` | DynLin-UCB told a spectral radius that is wrong, half of it and 1.3 times |
| ``ridge`` | DynLin-UCB with lambda 1 |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.params import Distinct, Range, build
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.learn.dynlin_ucb import DynLinUCB
from tasks.learn.linucb import LinUCB
from tasks.worlds.cores.linear_system import System
from tasks.worlds.dynamical_linear_bandit import DynamicalLinearBandit

LEARNERS = {"dynlin_ucb": DynLinUCB, "linucb": LinUCB}
FACTORS = (0.5, 1.3)  # of the spectral radius


@dataclass(frozen=True)
class DynamicalLinearBanditsBedParams(BedParams):
    """Units and ranges stand in params/beds/dynamical_linear_bandits.yaml.

    Attributes:
        systems: Blocks of datasets, ``real`` and ``synthetic``, whose worlds are meant.
        methods: Parameters of the learners, with their classes.
        seeds: A trial each.
        steps: Of each trial.
    """

    systems: dict[str, Any]
    methods: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(2)]
    steps: Annotated[int, Range(10, 10**7)]


class DynamicalLinearBanditsBed(Bed[DynamicalLinearBanditsBedParams]):
    """Regret of learners that no list of the study holds."""

    @classmethod
    def check_params(cls, params: DynamicalLinearBanditsBedParams, where: str) -> None:
        """Refuse other learners than the two."""
        check_inner(params.methods, LEARNERS, f"{where}.methods")

    def jobs(self) -> Sequence[Job]:
        """By world, learner and what is changed of it."""
        rho = self.system("real").rho
        told = [
            (f"rho x {factor:g}", {"rho": factor * rho, "wrong_rho": True})
            for factor in FACTORS
        ]
        listed = [
            ("no hidden state", "linucb", {}),
            ("synthetic", "dynlin_ucb", {}),
            ("synthetic", "linucb", {}),
            *((name, "dynlin_ucb", changed) for name, changed in told),
            ("ridge 1", "dynlin_ucb", {"ridge": 1 / log(self.params.steps)}),
        ]
        return [
            Job(f"{name}, {learner}", {"case": name, "learner": learner, **changed})
            for name, learner, changed in listed
        ]

    def system(self, name: str) -> System:
        """One of the two."""
        return world(self.params.systems[name]["world"]).system

    def run(self, job: Job, report: Report) -> Any:
        """Learn to the end.

        Returns:
            ``regret`` at the end and ``half`` in the middle, a number a trial.
        """
        settings, steps = dict(job.settings), self.params.steps
        case, learner = settings.pop("case"), settings.pop("learner")
        name = case if case in self.params.systems else "real"
        block = self.params.systems[name]["world"]
        if case == "no hidden state":
            block = memoryless(block, self.system(name))
        method = {**self.params.methods[learner], **settings}
        more: dict[str, Any] = {"world": world(block), "seeds": self.params.seeds}
        made = build(method, f"learn.{learner}", steps=steps, **more)
        trials = made.learn(lambda done: report(done / steps))
        at = int(np.flatnonzero(trials.steps == steps // 2)[0])
        regret = trials.curves["regret"]
        return {"regret": regret[-1].tolist(), "half": regret[at].tolist()}


def world(block: Mapping[str, Any]) -> DynamicalLinearBandit:
    """The world of a dataset's block."""
    made: DynamicalLinearBandit = build(block, "world")
    return made


def memoryless(block: Mapping[str, Any], system: System) -> dict[str, Any]:
    """The world whose arms earn <h, u> at once, with no other noise than theirs."""
    nothing = {k: [0.0] * len(block[k]) for k in ("transition", "control", "readout")}
    rest = [0.0] * (len(block["direct"]) - len(system.effect))
    return {**block, **nothing, "direct": [*system.effect.tolist(), *rest]}
