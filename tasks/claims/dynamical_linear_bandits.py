"""DynLin-UCB has less regret than LinUCB with a hidden state (Mussi et al. 2023).

The primary: ln of LinUCB's regret minus ln of DynLin-UCB's, trial by trial, in the
"real" world. What is trivial is an arm drawn at random at every step; the positive
control is LinUCB where there is no hidden state; the negative one the same figure on
one half of the trials and on the other.

Beside it stand all four learners; how much regret the second half of the steps brought,
of which 2 is a regret that grows as fast as the steps; the authors' other system; and
DynLin-UCB told a spectral radius that is wrong.
"""

from typing import TypedDict

import numpy as np

from tasks.artifacts.curves import read_curves
from tasks.artifacts.formats import Size
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Floats, Results
from tasks.worlds.dynamical_linear_bandit import DynamicalLinearBandit
from tasks.worlds.engine.recorded import recorded_world

DATASET = "bandit_real"
PAIR = ("dynlin_ucb", "linucb")
TRIALS = "trials"
RATIO, REGRET, GROWTH = "ln of the regrets' ratio", "ln of the regret", "ratio"
FLOOR, CEILING = 0.01, 0.95  # shares of the regret of the worst arm alone


class Setting(TypedDict):
    """Whose regret it is."""

    case: str
    learner: str


class Regrets(TypedDict):
    """A number a trial, at the end and in the middle."""

    regret: list[Size]
    half: list[Size]


class Job(TypedDict):
    """One learner in one world."""

    settings: Setting
    result: Regrets


class Bed(TypedDict):
    """What the bed leaves."""

    jobs: list[Job]


class DynamicalLinearBandits(Claim[ClaimParams]):
    """Regret of four learners, and of two where the bed changed something."""

    def outcome(self, results: Results) -> Outcome:
        """Judge curves of the study and numbers of the bed."""
        learned = results.params["study"]["learned"]
        ends = {name: regret(results, name, 1) for name in learned}
        halves = {name: regret(results, name, 2) for name in learned}
        for job in results.bed("dynamical_linear_bandits", Bed).jobs:
            name = f"{job.settings['learner']}, {job.settings['case']}"
            ends[name] = np.array(job.result["regret"])
            halves[name] = np.array(job.result["half"])
        lost = {name: np.log(end) for name, end in ends.items()}

        def gap(worse: str, better: str) -> Figure:
            values = lost[worse] - lost[better]
            return of_replicates(f"{worse} over {better}", values, RATIO, TRIALS)

        worst, random = self.trivial(results)
        chance = np.log(random) - lost["dynlin_ucb"]
        name = "a random arm over dynlin_ucb"
        gaps = np.array_split(lost["linucb"] - lost["dynlin_ucb"], 2)
        count = min(map(len, gaps))
        halved = gaps[0][:count] - gaps[1][:count]
        share = ends["linucb"] / worst
        gates = [
            competence(of_replicates(name, chance, RATIO, TRIALS)),
            headroom(gap("linucb", "linucb, no hidden state")),
            within(
                of_replicates("linucb, of the worst arm's", share, "share", TRIALS),
                FLOOR,
                CEILING,
            ),
            noise(
                of_replicates(
                    "the primary on one half of the trials - on the other",
                    halved,
                    RATIO,
                    TRIALS,
                ),
                self.params.smallest,
            ),
        ]
        figures = [
            *(gap(rival, "dynlin_ucb") for rival in learned if rival not in PAIR),
            gap("linucb, synthetic", "dynlin_ucb, synthetic"),
            *(of_replicates(k, v, REGRET, TRIALS) for k, v in lost.items()),
            *(
                of_replicates(f"{k}, end over middle", ends[k] / v, GROWTH, TRIALS)
                for k, v in halves.items()
            ),
        ]
        primary = self.check(gap("linucb", "dynlin_ucb"))
        return Outcome(primary, gates, figures)

    def trivial(self, results: Results) -> tuple[float, float]:
        """Regret of the worst arm in all steps, and of arms at random."""
        folder = results.root / "datasets" / f"{DATASET}-v0"
        world = recorded_world(folder)
        if not isinstance(world, DynamicalLinearBandit):
            raise TypeError(f"{folder} is of another world")
        gaps = world.system.values.max() - world.system.values
        steps = results.params["study"]["steps"]
        return float(gaps.max() * steps), float(gaps.mean() * steps)


def regret(results: Results, learner: str, part: int) -> Floats:
    """Of every trial after 1 / part of the steps, (S,)."""
    folder = results.root / "policies" / DATASET / learner
    curves = read_curves(folder, "dvc repro", "regret")
    at = curves["update"] == curves["update"].max() // part
    return curves[at]["regret"].to_numpy(np.float64)
