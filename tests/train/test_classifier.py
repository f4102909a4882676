"""The classifier, and what the engine does for every predictor."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_policy
from tasks.train import Rows
from tasks.train.engine.loop import settle, train
from tests.predictors import DATASET, dots, method, study


def make(seeds: tuple[int, ...], updates: int = 30, **changes: Any) -> Any:
    block = method("train", "classifier", hidden=[8], rate=0.02, **changes)
    data = dots().split("train")
    return build(block, "train.classifier", data=data, seeds=seeds, updates=updates)


def test_a_step_is_the_equation():
    learner = make((3,))
    data = dots().split("train")
    image, label = (torch.from_numpy(data[n][:6])[None] for n in ("image", "label"))
    own = [
        p.detach().double().requires_grad_() for p in learner.net.layers.parameters()
    ]
    x = image.double() - learner.net.mean.double()
    hidden = torch.relu(x / learner.net.std.double() @ own[0] + own[1])
    logits = hidden @ own[2] + own[3]
    loss = torch.nn.functional.cross_entropy(logits[0], label[0])
    adam = torch.optim.AdamW(own, 0.02, weight_decay=0.01)
    loss.backward()
    adam.step()
    metrics = learner.update(Rows({"image": image, "label": label}), 0)
    assert float(metrics["loss"]) == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in zip(learner.net.layers.parameters(), own, strict=True):
        assert torch.allclose(ours.double(), theirs, atol=1e-5)


def test_it_learns_which_pixel_is_brightest():
    settle()
    learner, data = make((0,), 300), dots(400)
    train(learner, data, 300, 16)
    test = data.split("test")
    with torch.no_grad():
        logits = learner.predictor().answer({"image": torch.from_numpy(test["image"])})
    assert (logits[0].argmax(-1).numpy() == test["label"]).mean() > 0.8


def test_seed_k_alone_is_seed_k_of_a_stack_and_test_rows_count_for_nothing():
    settle()
    both, alone, blind = make((0, 5)), make((5,)), make((5,))
    train(both, dots(), 30, 8)
    train(alone, dots(), 30, 8)
    spoilt = {n: x.copy() for n, x in dots().arrays.items()}
    spoilt["image"][30:] = 9.0
    train(blind, dots(arrays=spoilt), 30, 8)
    for two, one, same in zip(
        *(x.net.layers.parameters() for x in (both, alone, blind)), strict=True
    ):
        assert torch.allclose(two[1], one[0], atol=1e-6)
        assert torch.equal(one, same)


def test_killed_and_run_again_it_ends_with_the_same_bits(tmp_path: Path):
    settle()
    whole, killed = make((0, 1)), make((0, 1))
    train(whole, dots(), 30, 8)

    def die(done: int, _: object) -> None:
        if done == 17:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "c")
    with pytest.raises(KeyboardInterrupt):
        train(killed, dots(), 30, 8, checkpoint=checkpoint, report=die, every=0)
    again = make((0, 1))
    train(again, dots(), 30, 8, checkpoint=checkpoint)
    for one, other in zip(
        whole.net.state_dict().values(), again.net.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from tasks.train.__main__ import main

    monkeypatch.chdir(tmp_path)
    study(tmp_path)
    monkeypatch.setattr("tasks.train.__main__.check_place", lambda _: None)
    arguments = ["train", "--dataset", DATASET, "--learner", "classifier"]
    monkeypatch.setattr(sys, "argv", arguments)
    return main


def test_the_stage_keeps_class_and_arguments_in_json(command: Any, tmp_path: Path):
    command()
    folder = tmp_path / "data/policies" / DATASET / "classifier"
    net, origin = load_policy(folder)
    assert type(net).__name__ == "PlainPredictor"
    assert origin["kind"] == "predictor"
    assert "world" not in origin
    first = sha256(folder)
    command()
    assert sha256(folder) == first


def test_a_learner_of_actions_is_refused(command: Any, tmp_path: Path):
    path = tmp_path / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["train"] = {"bc": method("train", "bc")}
    params["study"]["learners"] = ["bc"]
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    sys.argv[-1] = "bc"
    with pytest.raises(
        RefusedError, match="a learner of continuous and discrete actions, "
    ):
        command()


def test_standardises_by_the_training_rows():
    learner, image = make((0,)), dots().split("train")["image"]
    assert np.allclose(learner.net.mean, image.mean(0), atol=1e-6)
    assert np.allclose(learner.net.std, image.std(0), atol=1e-6)
