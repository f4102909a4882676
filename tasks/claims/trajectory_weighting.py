"""Drawing good episodes more often helps where few are good (Hong et al. 2023).

The primary: the base learner's score with AW minus that with all transitions alike,
mean of the two hopper mixtures, seed by seed. Beside it stand all scores and the
returns' positive-sided variance of each dataset. There is no gate yet, so the bed is
refused.
"""

from itertools import product
from typing import TypedDict

import numpy as np

from tasks.artifacts.dataset_formats import Room
from tasks.artifacts.typed_json import read_typed
from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.engine.results import Results

MIXES = ("hopper_random_expert_5", "hopper_random_expert_10")
SCHEMES = ("", "-rw", "-aw", "-top10")


class Weighted(TypedDict):
    """``weights.json``, as far as it is compared."""

    v_plus: Room


class TrajectoryWeighting(Claim[ClaimParams]):
    """Scores of a learner that draws evenly, and by each of the weightings."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores, dataset by dataset."""
        study = results.params["study"]
        learner, sets = study["weighted"]["learners"][0], study["datasets"]
        scores = {
            (data, scheme): results.means(data, f"{learner}{scheme}")
            for data, scheme in product(sets, SCHEMES)
        }
        mixes = [data for data in sets if data in MIXES] or sets
        gains = [scores[data, "-aw"] - scores[data, ""] for data in mixes]
        name = f"aw - uniform, mean of {', '.join(mixes)}"
        figures = [
            of_replicates(f"{scheme[1:] or 'uniform'} on {data}", values)
            for (data, scheme), values in scores.items()
        ]
        figures += [
            exact(f"V+ of {data}", self._room(results, data), "", "of the dataset")
            for data in sets
        ]
        primary = self.check(of_replicates(name, np.mean(gains, axis=0)))
        return Outcome(primary, [], figures)

    def _room(self, results: Results, data: str) -> float:
        """V+ of a dataset in squared score / 100, as its weights say."""
        path = results.root / "weights" / data / "aw" / "weights.json"
        return read_typed(path, "dvc repro", Weighted)["v_plus"]["score"]
