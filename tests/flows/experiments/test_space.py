"""What a search's space may say, and what is refused before a trial runs."""

import pytest

from flows.experiments.space import Choice, Interval, space
from tasks.artifacts.errors import RefusedError

PARAMS = {
    "train": {"iql": {"beta": 3.0, "actor_hidden": [64, 64], "policy": "gaussian"}},
    "study": {"batch": 64, "undertrained": True},
}


def test_intervals_take_their_kind_from_the_study():
    text = "train.iql.beta=1..10(log) study.batch=32..512"
    beta, batch = space(text, PARAMS)
    assert beta == Interval("train.iql.beta", 1.0, 10.0, log=True, whole=False)
    assert batch == Interval("study.batch", 32, 512, log=False, whole=True)
    assert beta.edges() == ["1.0", "10.0"]
    assert (beta.own(3.0), beta.own(11.0)) == (3.0, None)


@pytest.mark.parametrize("low", ["1e-4", "0.0001", "1.0e-4", ".0001"])
def test_small_numbers_may_be_written_in_any_way(low: str):
    (rate,) = space(f"train.iql.beta={low}..1(log)", PARAMS)
    assert rate == Interval("train.iql.beta", 1e-4, 1.0, log=True, whole=False)


def test_choices_are_split_outside_of_brackets():
    hidden, policy = space(
        "train.iql.actor_hidden=[64,64],[128,128] train.iql.policy=gaussian,tanh",
        PARAMS,
    )
    assert hidden == Choice("train.iql.actor_hidden", ("[64,64]", "[128,128]"))
    assert hidden.own([64, 64]) == "[64,64]"
    assert policy.edges() == ["gaussian", "tanh"]
    assert policy.own("other") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "SPACE: text: found nothing"),
        ("train.iql.beat=1..3", "did you mean|e.g. train.iql.beta"),
        ("train.iql=1..3", "train.iql: found an unknown key"),
        ("train.iql.beta=1..2 train.iql.beta=3..4", "the key twice"),
        ("train.iql.beta=3..1", "a lower end below the upper one"),
        ("train.iql.beta=2..2", "a lower end below the upper one"),
        ("train.iql.beta=0..1(log)", "a lower end above 0"),
        ("train.iql.beta=1..x", "found x, expected a number"),
        ("train.iql.beta=1..inf", "found inf, expected a number"),
        ("train.iql.beta=nan..1", "found nan, expected a number"),
        ("train.iql.beta=1....3", "found ..3, expected a number"),
        ("train.iql.beta=1..2(lag)", "found .*, expected "),
        ("train.iql.beta=3", "two values or more"),
        ("train.iql.beta=3,3.0", "two values or more, none twice"),
        ("train.iql.beta=1,", "expected key=low..high"),
        ("train.iql.beta", "found nothing"),
        ("train.iql.beta=", "found nothing"),
        ("train.iql.actor_hidden=[64,64", "expected key=low..high"),
        ("train.iql.actor_hidden=1..3", "values like \\[64, 64\\]"),
        ("study.undertrained=0..1", "values like True"),
        ("study.batch=1.5..9", "whole numbers, as the study has 64"),
    ],
)
def test_what_is_no_space_is_refused_in_a_line(text: str, said: str):
    with pytest.raises(RefusedError, match=said) as error:
        space(text, PARAMS)
    assert "\n" not in str(error.value)
