"""Drawing good episodes more often helps, most where few are good (Hong et al. 2023).

Wanted: with AW the base learner is better than with all transitions alike by more than
a pooled standard deviation over seeds, on both hopper mixtures; the gain grows with the
returns' positive-sided variance over the datasets; and on pendulum, whose starts differ
much, AW is no worse than RW, which prefers easy starts.
"""

from itertools import product
from typing import TypedDict

import numpy as np

from tasks.artifacts.dataset_formats import Room
from tasks.artifacts.typed_json import read_typed
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Floats, Results, exact, ranks_agree

MIXES = ("hopper_random_expert_5", "hopper_random_expert_10")


class Weighted(TypedDict):
    """``weights.json``, as far as it is compared."""

    v_plus: Room


class TrajectoryWeighting(Claim[ClaimParams]):
    """Scores of a learner that draws evenly, and by each of the weightings."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores, dataset by dataset."""
        study = results.params["study"]
        learner, schemes = (
            study["weighted"]["learners"][0],
            ["", "-rw", "-aw", "-top10"],
        )
        scores = {
            (data, scheme): results.score(data, f"{learner}{scheme}")
            for data, scheme in product(study["datasets"], schemes)
        }
        gains = {
            data: float((scores[data, "-aw"] - scores[data, ""]).mean())
            for data in study["datasets"]
        }
        room = {data: self._room(results, data) for data in gains}
        mixes = [data for data in gains if data in MIXES] or list(gains)
        swings = [data for data in gains if data.startswith("pendulum")]
        checks = [
            Check(
                exact(
                    f"aw over uniform on {data}, in pooled deviations",
                    gains[data] / _pooled(scores[data, "-aw"], scores[data, ""]),
                    "",
                ),
                bound=1.0,
            )
            for data in mixes
        ]
        if len(gains) >= 4:
            agreement = ranks_agree(list(room.values()), list(gains.values()))
            name = f"rank correlation of gain and V+ over {len(gains)} datasets"
            checks.append(Check(exact(name, agreement, "")))
        if swings:
            rows = [scores[data, "-aw"] - scores[data, "-rw"] for data in swings]
            name = "aw over rw on pendulum"
            checks.append(Check(results.figure(name, np.concatenate(rows, axis=1))))
        return Outcome(checks, [*_table(results, scores), *_rooms(room)])

    def _room(self, results: Results, data: str) -> float:
        """V+ of a dataset in squared score / 100, as its weights say."""
        path = results.root / "weights" / data / "aw" / "weights.json"
        return read_typed(path, "dvc repro", Weighted)["v_plus"]["score"]


def _pooled(first: Floats, second: Floats) -> float:
    """Standard deviation of seeds' means, pooled; at least a thousandth of a point."""
    variances = [table.mean(axis=1).var(ddof=1) for table in (first, second)]
    return max(float(np.sqrt(np.mean(variances))), 1e-3)


def _table(results: Results, scores: dict[tuple[str, str], Floats]) -> list[Figure]:
    return [
        results.figure(f"{scheme.removeprefix('-') or 'uniform'} on {data}", table)
        for (data, scheme), table in scores.items()
    ]


def _rooms(room: dict[str, float]) -> list[Figure]:
    return [exact(f"V+ of {data}", value, "") for data, value in room.items()]
