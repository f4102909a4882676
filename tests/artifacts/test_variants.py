"""Names of variants on command lines, sampled ones among them."""

from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.variants import Variant, sampled

STUDY = {
    "seeds": [1],
    "datasets": ["d"],
    "policies": ["dql", "bc"],
    "variants": ["float32", "a-b"],
    "sampled": {
        "policies": ["dql"],
        "variants": ["a-b"],
        "samplers": ["dc_solver"],
        "steps": [3, 10],
    },
}
PARAMS = {"study": STUDY}


def words(learner: str, *more: str) -> list[str]:
    return ["--dataset", "d", "--learner", learner, *more]


def test_a_sampled_variant_is_named_by_its_parts_or_as_a_whole():
    more = ("--variant", "a-b", "--sampler", "dc_solver", "--steps", "10")
    made = Variant.parse(PARAMS, "", words("dql", *more), making=True)
    whole = Variant.parse(PARAMS, "", words("dql", "--variant", "a-b-dc_solver-10"))
    assert made == whole
    assert made.variant == "a-b-dc_solver-10"
    assert made.source == ("a-b", "dc_solver", 10)
    assert made.parent.folder("compressed") == Path("data/compressed/d/dql/a-b")
    assert str(made) == (
        "--dataset d --learner dql --variant a-b --sampler dc_solver --steps 10"
    )
    plain = Variant.parse(PARAMS, "", words("bc", "--variant", "a-b"), making=True)
    assert plain.parent == plain
    assert plain.source is None


def test_all_variants_of_a_learner_are_its_sampled_ones_too():
    found = [v.variant for v in Variant.parse_all(PARAMS, "", words("dql"))]
    assert found == ["float32", "a-b", "a-b-dc_solver-3", "a-b-dc_solver-10"]
    found = [v.variant for v in Variant.parse_all(PARAMS, "", words("bc"))]
    assert found == ["float32", "a-b"]
    assert sampled({"policies": ["dql"]}, "dql") == {}  # of a study before


@pytest.mark.parametrize(
    ("learner", "name"), [("bc", "a-b-dc_solver-3"), ("dql", "float32-dc_solver-3")]
)
def test_what_is_not_sampled_is_refused(learner: str, name: str):
    with pytest.raises(RefusedError, match="study.variants"):
        Variant.parse(PARAMS, "", words(learner, "--variant", name))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": "0"}, "study.seeds: found '0', expected a list of whole number"),
        ({"seeds": []}, "study.seeds: found .*, expected 1 to 1000 entries"),
        ({"policies": 5}, "study.policies: found 5"),
        ({"sampled": {"policies": ["dql"]}}, "study.sampled.samplers: found nothing"),
    ],
)
def test_what_a_study_says_is_checked_as_far_as_it_says_it(
    change: dict[str, Any], said: str
):
    with pytest.raises(RefusedError, match=said):
        Variant.parse_all({"study": STUDY | change}, "", words("dql"))
    with pytest.raises(RefusedError, match="study: found 'smoke', expected a mapping"):
        Variant.parse_all({"study": "smoke"}, "", words("dql"))
