"""Mixtures: every part in its place, refused as a whole if one is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tests.generate.test_rollout import assert_equal, behavior, make, quiet
from tests.worlds.harness import load

ROOT = Path(__file__).parents[2]


def test_parts_follow_each_other(tmp_path: Path):
    world = load("hopper")
    behaviors = behavior(tmp_path, world, "small", "gaussian")
    behavior(tmp_path, world, "other", "tanh")
    parts = [
        {"policy": "small", "episodes": 3},
        {"policy": "other", "steps": 40, "noise": 0.1},
        {"policy": "random", "episodes": 2},
    ]
    heard: list[float] = []

    def progress(share: float, words: str) -> None:
        heard.append(share)

    mixture = make("mixture", parts=parts, behaviors=behaviors)
    episodes = mixture.episodes(world, progress)
    sources = [e.source for e in episodes]
    assert sources == sorted(sources, key=["small", "other", "random"].index)
    assert sources.count("small") == 3
    assert sources.count("random") == 2
    assert sum(len(e) for e in episodes if e.source == "other") >= 40
    assert len({e.seed for e in episodes}) == len(episodes)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_parts_share_one_batch_and_none_sees_what_another_left(
    monkeypatch: pytest.MonkeyPatch,
):
    world = load("hopper")
    parts = [{"policy": "random", "steps": 5}, {"policy": "random", "episodes": 6}]
    together = make("mixture", parts=parts).episodes(world, quiet)
    counts, real = [], world.make
    monkeypatch.setattr(world, "make", lambda n: (counts.append(n), real(n))[1])
    again = make("mixture", parts=parts, in_flight=3).episodes(world, quiet)
    assert counts == [3]
    assert_equal(together, again)
    assert [e.seed - together[-1].seed for e in together[-6:]] == [
        -5,
        -4,
        -3,
        -2,
        -1,
        0,
    ]


def test_first_part_equals_a_rollout_and_later_ones_do_not():
    world = load("hopper")
    parts = [{"policy": "random", "episodes": 2}] * 2
    mixed = make("mixture", parts=parts).episodes(world, quiet)
    alone = make("rollout", policy="random", episodes=2, steps=None)
    assert_equal(mixed[:2], alone.episodes(world, quiet))
    assert mixed[2].actions[0].tobytes() != mixed[0].actions[0].tobytes()


def test_probabilities_are_known_of_all_actions_or_of_none(tmp_path: Path):
    world = load("hopper")
    behaviors = behavior(tmp_path, world, "small", "gaussian")
    behavior(tmp_path, world, "other", "tanh")

    def infos(*parts: dict[str, Any]) -> list[bool]:
        each = [{"episodes": 1} | part for part in parts]
        mixture = make("mixture", parts=each, behaviors=behaviors)
        return ["log_prob" in e.infos for e in mixture.episodes(world, quiet)]

    known = [{"policy": "small", "noise": 0.5}, {"policy": "other", "noise": 0.1}]
    assert infos(*known, {"policy": "random"}) == [True] * 3
    assert infos(*known, {"policy": "small", "noise": 0.0}) == [False] * 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "generate.parts: found 0"),
        ([{"policy": "random"}], "parts[0].episodes: found None episodes"),
        ([{"policy": "a", "steps": 0}], "parts[0].steps: found 0"),
        ([{"policy": "a", "episodes": 10**5}] * 11, "episodes: found 1100000, expect"),
        (
            [{"policy": "a", "steps": 9}, {"polcy": "b", "steps": 9}],
            "parts[1].polcy: found an unknown key",
        ),
        (["random"], "generate.parts: found"),
    ],
)
def test_bad_parts_are_refused(parts: list[Any], message: str):
    with pytest.raises(RefusedError) as error:
        make("mixture", parts=parts)
    assert message in str(error.value)


def test_a_missing_policy_is_refused_before_any_step(tmp_path: Path):
    world = load("hopper")
    parts = [{"policy": "random", "episodes": 1}, {"policy": "gone", "episodes": 1}]
    heard: list[float] = []
    mixture = make("mixture", parts=parts, behaviors=tmp_path)
    with pytest.raises(RefusedError, match="gone"):
        mixture.episodes(world, lambda share, _: heard.append(share))
    assert heard == []


@pytest.mark.parametrize(
    ("name", "share"),
    [("pendulum_random_expert_5", 0.05), ("pendulum_random_expert_10", 0.1)],
)
def test_the_card_says_what_share_of_the_steps_a_part_has(
    tmp_path: Path, name: str, share: float
):
    """A tenth of the dataset's budget; the part's last episode is whole."""
    block = yaml.safe_load((ROOT / f"params/dataset/{name}.yaml").read_text())
    parts = [p | {"steps": p["steps"] // 10} for p in block["generate"]["parts"]]
    world = load("pendulum")
    mixture = make("mixture", parts=parts, behaviors=ROOT / "data/behaviors")
    episodes = mixture.episodes(world, quiet)
    assert {len(e) for e in episodes} == {200}  # none is cut short
    assert all(e.truncations[-1] for e in episodes)
    sources = write_dataset(
        tmp_path / "mixed-v0", "mixed-v0", episodes, world, {"name": "pendulum"}
    )["sources"]
    assert [s["name"] for s in sources] == ["random", "expert"]
    total = sum(len(e) for e in episodes)
    for source in sources:
        steps = sum(len(e) for e in episodes if e.source == source["name"])
        assert (source["steps"], source["share"]) == (steps, steps / total)
    asked = parts[1]["steps"] / sum(p["steps"] for p in parts)
    assert asked == share
    assert share <= sources[1]["share"] < share + 200 / total
    assert sources[1]["return_mean"] > sources[0]["return_mean"] + 500
