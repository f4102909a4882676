"""What a search may look for, and how a study's table answers it."""

from typing import Any

import pytest

from flows.experiments.goal import Found, goal
from tasks.artifacts.errors import RefusedError

STUDY = {"datasets": ["d"], "played": ["d"], "learners": ["bc", "iql"]}
PARAMS = {
    "study": {**STUDY, "policies": ["bc", "iql-beta1", "iql-beta3"]},
    "grid": {"bc": {}, "iql": {"iql-beta1": {"beta": 1}, "iql-beta3": {"beta": 3}}},
}


def file(score: float, size: float) -> dict[str, Any]:
    return {"score": score, "bytes": size, "verdict": "HELD"}


TABLE = {
    "d": {
        "bc": {"float32": file(50, 80_000), "w8": file(49, 20_000)},
        "iql-beta1": {"float32": file(40, 80_000), "w8": file(39, 9_000)},
        "iql-beta3": {
            "w8": file(39, 8_000),
            "last": {"score": 99.0},  # a moment of the training, no file
        },
    }
}


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("score", Found(50, "bc / float32", 80_000)),
        ("score at <= 20 kB", Found(49, "bc / w8", 20_000)),
        ("score  at <= 0.01MB", Found(39, "iql-beta3 / w8", 8_000)),
        ("score of iql", Found(40, "iql-beta1 / float32", 80_000)),
        ("score of iql-beta1 at <= 9000 B", Found(39, "iql-beta1 / w8", 9_000)),
        ("score at <= 7999 B", None),
    ],
)
def test_the_best_file_that_counts(text: str, best: Found | None):
    assert goal(text, PARAMS).of(TABLE) == best


def test_of_several_datasets_it_is_the_mean():
    other = {"bc": {"w8": file(10, 9_500)}}
    found = goal("score at <= 10 kB", PARAMS).of({**TABLE, "e": other})
    assert found == Found(24.5, "iql-beta3 / w8, bc / w8", 9_500)
    assert goal("score at <= 9 kB", PARAMS).of({**TABLE, "e": other}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("scores", "expected score, score at <= 10 kB"),
        ("score at <= 10", "expected score, "),
        ("score at >= 10 kB", "expected score, "),
        ("score at <= -1 kB", "expected score, "),
        ("bytes", "expected score, "),
        ("score of sac", "GOAL.sac: found an unknown name"),
    ],
)
def test_what_is_no_goal_is_refused(text: str, said: str):
    with pytest.raises(RefusedError, match=said):
        goal(text, PARAMS)


def test_logs_have_no_score():
    params = {**PARAMS, "study": {**PARAMS["study"], "played": []}}
    with pytest.raises(RefusedError, match="a study without scores"):
        goal("score", params)
