"""Which datasets of a study are played, as params say."""

from pathlib import Path

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.played import LOGGED, played
from tasks.code.check import check
from tasks.compare import wanted
from tasks.worlds.logged import Logged


def test_the_class_is_that_of_logs():
    assert f"{Logged.__module__}.{Logged.__name__}" == LOGGED


def test_logs_are_left_out_and_what_is_made_of_them_too():
    world = {"_target_": LOGGED}
    params = {
        "study": {"datasets": ["plant", "hopper", "bent", "brought", "nothing"]},
        "dataset": {"hopper": {"world": {"_target_": "tasks.worlds.hopper.Hopper"}}},
        "imported": {"plant": {"world": world}, "brought": {"world": {}}},
        "corruption": {"bent": {"source": "plant"}},
    }
    assert played(params) == ["hopper", "brought", "nothing"]


def test_compositions_say_it_and_stages_that_play_follow():
    text = composed(
        [
            "dataset.halfcheetah_medium_replay.world._target_=" + LOGGED,
            "dataset.halfcheetah_medium_replay.world.env_id=none",
            "dataset.halfcheetah_medium_replay.world.name=plant",
            "+dataset.halfcheetah_medium_replay.world.step_seconds=1.0",
        ]
    )
    params = yaml.safe_load(text)
    assert params["study"]["played"] == []
    check(params)
    outs = {w.out.split("/")[1] for w in wanted(params)}
    assert "onnx" in outs
    assert "evaluations" not in outs
    params["study"]["played"] = ["halfcheetah_medium_replay"]
    with pytest.raises(RefusedError, match=r"study\.played: found halfcheetah_m"):
        check(params)


LEARN = ("learn", "learn_tuned")


def test_the_graph_plays_only_those():
    stages = yaml.safe_load(Path("dvc.yaml").read_text("utf-8"))["stages"]
    over = {
        name: stage["matrix"]["dataset"]
        for name, stage in stages.items()
        if "dataset" in stage.get("matrix", {})
    }
    plays = {name for name, what in over.items() if what == "${study.played}"}
    assert plays == {*LEARN, "learning", "evaluate", "evaluate_sampled"}
