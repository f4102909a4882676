"""What a search looks for, read from the table of all files that a study ends with.

| goal | the value of a study |
|---|---|
| ``score`` | the highest score of its files |
| ``score at <= 10 kB`` | the highest among those of at most 10,000 bytes |
| ``score of iql at <= 10 kB`` | the same, of the policies of one learner alone |

Of several datasets it is the mean over them. Every file counts by the score it was
measured at, as the table of the report has it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import check_known

WHERE = "GOAL"
UNITS = {"B": 1, "kB": 1000, "MB": 1_000_000}
GOAL = re.compile(
    r"score(?: of (?P<learner>[\w.-]+))?"
    r"(?: at <= ?(?P<size>\d+(?:\.\d+)?) ?(?P<unit>B|kB|MB))?"
)


@dataclass(frozen=True)
class Found:
    """The best file of a study.

    Attributes:
        value: The goal's.
        name: The file's policy and variant; of several datasets one a dataset.
        bytes: Its mean size over seeds; of several datasets the largest.
    """

    value: float
    name: str
    bytes: float

    def __str__(self) -> str:
        """The value and the file, in words."""
        return f"{self.value:.1f} by {self.name} at {self.bytes:,.0f} B"


@dataclass(frozen=True)
class Goal:
    """What a search looks for.

    Attributes:
        text: As the user wrote it.
        policies: Whose files count; empty for all.
        most: The largest size that counts, in bytes.
    """

    text: str
    policies: frozenset[str]
    most: float

    def of(self, table: Mapping[str, Any]) -> Found | None:
        """The best file of a study; None where no file is small enough.

        Args:
            table: table.json of its report: dataset, policy, variant, numbers.
        """
        best = [self._best(policies) for policies in table.values()]
        found = [one for one in best if one]
        if not found or len(found) < len(best):
            return None
        names = ", ".join(dict.fromkeys(one.name for one in found))
        value = fmean(one.value for one in found)
        return Found(value, names, max(one.bytes for one in found))

    def _best(self, policies: Mapping[str, Any]) -> Found | None:
        files = [
            Found(numbers["score"], f"{policy} / {variant}", numbers["bytes"])
            for policy, variants in policies.items()
            for variant, numbers in variants.items()
            if {"score", "bytes"} <= numbers.keys()
            and (not self.policies or policy in self.policies)
            and numbers["bytes"] <= self.most
        ]
        return max(files, key=lambda file: (file.value, -file.bytes), default=None)


def goal(text: str, params: Mapping[str, Any]) -> Goal:
    """Read a goal.

    Args:
        text: As the module describes it.
        params: The study's parameters, composed.

    Raises:
        RefusedError: If it is none, names a learner that the study has not, or the
            study plays no world, so that it has no scores.
    """
    words = " ".join(text.split())
    found = GOAL.fullmatch(words)
    if not found:
        expected = "score, score at <= 10 kB or score of LEARNER at <= 10 kB"
        raise RefusedError(WHERE, "text", text or "nothing", expected, "write it so")
    study = params["study"]
    if not study["played"] or len(study["played"]) < len(study["datasets"]):
        expected = "every dataset with a world that is played"
        mend = "search in a study that has scores"
        raise RefusedError(WHERE, text, "a study without scores", expected, mend)
    learner, policies = found["learner"], frozenset[str]()
    if learner:
        swept = params["grid"].get(learner) or {}
        check_known(learner, {*study["learners"], *study["policies"]}, WHERE)
        policies = frozenset([learner, *swept])
    size = float(found["size"] or "inf") * UNITS[found["unit"] or "B"]
    return Goal(words, policies, size)
