"""RIQL stands corrupted data better than IQL, and IQL than TD3+BC (Yang et al. 2024).

Wanted, over the four random corruptions: from the clean data IQL falls less than
TD3+BC; RIQL scores higher than IQL, most of all where the dynamics are corrupted; and
why: there the targets of IQL's critics have heavier tails than on clean data, and the
hundredth of the rows that err most has a smaller share in RIQL's loss than in IQL's.
"""

import numpy as np

from tasks.claims import Check, Claim, ClaimParams, Outcome
from tasks.claims.engine.results import Results, exact


class RIQL(Claim[ClaimParams]):
    """Scores on clean and corrupted data, and what the learners' losses look like."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores; its first dataset is the clean one."""
        study = results.params["study"]
        clean, *corrupted = study["datasets"]
        scores = {
            (data, learner): results.score(data, learner)
            for data in study["datasets"]
            for learner in study["learners"]
        }

        def over(learner: str) -> np.ndarray:
            """Scores on all corrupted data side by side, (S, corruptions x E)."""
            return np.concatenate([scores[d, learner] for d in corrupted], axis=1)

        def fall(learner: str) -> np.ndarray:
            return np.tile(scores[clean, learner], (1, len(corrupted))) - over(learner)

        gain = {d: scores[d, "riql"] - scores[d, "iql"] for d in corrupted}
        checks = [
            Check(
                results.gap(fall("td3_bc"), fall("iql"), "td3_bc falls more than iql")
            ),
            Check(results.gap(over("riql"), over("iql"), "riql over iql, corrupted")),
        ]
        dynamics = [d for d in corrupted if d.endswith("dyn")]
        others = [gain[d] for d in corrupted if not d.endswith("dyn")]
        if dynamics and others:
            name = "riql's gain under dynamics over its other gains"
            mean = np.mean(others, axis=0)
            checks.append(Check(results.gap(gain[dynamics[0]], mean, name)))
        for name in dynamics:
            kurtosis = [
                results.last(d, "iql", "target_kurtosis") for d in (name, clean)
            ]
            gap = float(np.mean(kurtosis[0] - kurtosis[1]))
            checks.append(Check(exact("iql's targets' kurtosis over clean", gap, "")))
            shares = [results.last(name, one, "tail_share") for one in ("iql", "riql")]
            gap = float(np.mean(shares[0] - shares[1]))
            checks.append(Check(exact("iql's share of the tail over riql's", gap, "")))
        figures = [
            results.figure(f"{learner} on {data}", table)
            for (data, learner), table in scores.items()
        ]
        return Outcome(checks, figures)
