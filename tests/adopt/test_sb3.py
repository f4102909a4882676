"""Zips of Stable-Baselines3 act as ``model.predict`` did; others are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.adopt.sb3.saved import printed_numbers
from tasks.artifacts.errors import RefusedError
from tests.adopt.sources import (
    ALL,
    CHOOSING,
    SB3,
    adopted,
    of_source,
    oracle,
    returns,
    source,
    world_of,
)
from tests.compress.harness import session


@pytest.mark.parametrize("name", ALL)
def test_it_acts_as_the_original(name: str, tmp_path: Path):
    policy, expected = adopted(name, tmp_path), oracle(name)
    o = torch.from_numpy(expected["observations"])[None]
    action = policy(o)[0].numpy()
    if name in CHOOSING:
        assert (action == expected["actions"]).all()
        assert 100 < expected["actions"].sum() < 900
        return
    np.testing.assert_allclose(action, expected["actions"], rtol=0, atol=1e-5)
    assert expected["actions"].std() > 0.02


@pytest.mark.parametrize("name", ALL)
def test_it_earns_what_the_original_earned(name: str, tmp_path: Path):
    policy, world = adopted(name, tmp_path), world_of(name)
    opened = session(policy, 0, "exact")

    def act(observation: Any) -> Any:
        feed = {"observation": observation.astype(np.float32)}
        return opened.run(["action"], feed)[0]

    earned, expected = returns(world, act), oracle(name)["returns"]
    np.testing.assert_allclose(earned, expected, rtol=2e-3)


def test_gsde_clips_its_mean(tmp_path: Path):
    """Without the clip some actions would be others."""
    policy, expected = adopted("sac_sde", tmp_path), oracle("sac_sde")
    assert policy.limit == 2
    policy.limit = None
    action = policy(torch.from_numpy(expected["observations"])[None])[0].numpy()
    off = np.abs(action - expected["actions"]).max(1)
    assert (off > 1e-3).mean() > 0.05


def test_statistics_that_are_not_given_are_missed(tmp_path: Path):
    policy = of_source(source(tmp_path, "ppo_normalised"), SB3, world_of("ppo"))
    expected = oracle("ppo_normalised")
    action = policy(torch.from_numpy(expected["observations"])[None])[0].numpy()
    assert np.abs(action - expected["actions"]).max() > 0.1


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        ("ppo", "sb3_contrib.common.recurrent.policies", "found recurrent sb3_contrib"),
        ("ppo", "sb3_contrib.common.maskable.policies", "found maskable sb3_contrib"),
        ("dqn", "sb3_contrib.qrdqn.policies", "expected SAC, TQC, TD3 or DDPG, DQN"),
        ("sac", "os", "policy_class: found os"),
    ],
)
def test_other_algorithms_are_refused(
    name: str, module: str, words: str, tmp_path: Path
):
    def edit(data: dict[str, Any]) -> None:
        data["policy_class"]["__module__"] = module

    refused(source(tmp_path, name, edit), name, words)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("features_extractor.cnn.0.weight", "a CnnPolicy, expected an MlpPolicy"),
        ("features_extractor.extractors.a.0.weight", "a MultiInputPolicy"),
        ("lstm_actor.weight_ih_l0", "a recurrent policy"),
        ("features_extractor.mine.weight", "an extractor of its own"),
        ("mlp_extractor.shared_net.0.weight", "layers that actor and critic share"),
        ("mlp_extractor.policy_net.1.weight", r"of layers \[0, 1, 2\]"),
        ("action_net.gate.weight", "action_net.gate.weight, expected layers of"),
    ],
)
def test_other_networks_are_refused_by_name(tensor: str, words: str, tmp_path: Path):
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[tensor] = torch.zeros(32, 32)

    refused(source(tmp_path, "ppo", tensors=edit), "ppo", words)


def space(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data[name].update(values)


def kwargs(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["policy_kwargs"].update(values)


BOX = "<class 'gymnasium.spaces.box.Box'>"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            space(
                "action_space", **{":type:": BOX.replace("box.Box", "m.MultiBinary")}
            ),
            "action_space: found MultiBinary, expected Box or Discrete",
        ),
        (
            space(
                "action_space",
                **{":type:": BOX.replace("box.Box", "multi_discrete.MultiDiscrete")},
            ),
            "action_space: found MultiDiscrete",
        ),
        (
            space("action_space", **{":type:": BOX.replace("box.Box", "d.Discrete")}),
            "found Discrete, expected Box, as the world's",
        ),
        (
            space("observation_space", **{":type:": BOX.replace("box.Box", "d.Dict")}),
            "Dict, of a MultiInputPolicy, expected Box",
        ),
        (space("action_space", low="[-1.]"), r"low: found \[-1.0\], expected \[-2.0\]"),
        (space("action_space", high="[2. 2.]"), r"high: found \[2.0, 2.0\], expected"),
        (kwargs(features_extractor_class="Mine"), "found features_extractor_class"),
        (
            kwargs(activation_fn="<class 'torch.nn.GELU'>"),
            "found <class 'torch.nn.GELU",
        ),
        (kwargs(clip_mean=-1), "clip_mean: found -1, expected 0 or more"),
        (lambda data: data.update(policy_class=3), "policy_class: found 3"),
    ],
)
def test_other_spaces_and_arguments_are_refused(
    edit: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
):
    refused(source(tmp_path, "sac", edit), "sac", words)


@pytest.mark.parametrize("name", ["sac", "dqn"])
def test_bounds_that_are_not_whole_come_from_the_world(name: str, tmp_path: Path):
    """As in files of 1.x, which have the type alone, and where numpy left some out."""

    def edit(data: dict[str, Any]) -> None:
        kind = data["action_space"][":type:"].replace("gymnasium", "gym")
        data["action_space"] = {":type:": kind, ":serialized:": "gASV"}
        data["observation_space"]["low"] = "[-1. -1. ... -8.]"

    policy = of_source(source(tmp_path, name, edit), SB3, world_of(name))
    o = torch.from_numpy(oracle(name)["observations"])[None]
    near = torch.from_numpy(oracle(name)["actions"])
    torch.testing.assert_close(policy(o)[0], near, rtol=0, atol=1e-5)


def test_an_activation_that_is_printed_is_taken(tmp_path: Path):
    """SB3 prints what it serialises; what is printed is no code."""
    relu = "<class 'torch.nn.modules.activation.ReLU'>"
    folder = source(tmp_path, "ppo", kwargs(activation_fn=relu))
    assert of_source(folder, SB3, world_of("ppo")).activation == "relu"


@pytest.mark.parametrize("name", ["sac", "dqn"])
def test_another_world_is_refused(name: str, tmp_path: Path):
    source(tmp_path, name)
    other = world_of("dqn" if name == "sac" else "sac")
    with pytest.raises(RefusedError, match=r"as the world's"):
        of_source(tmp_path, SB3, other)


def test_stacked_frames_are_named(tmp_path: Path):
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        key = "actor.latent_pi.0.weight"
        tensors[key] = tensors[key].repeat(1, 4)

    words = "width: found 12, expected 3, as the world's; frames that are stacked"
    refused(source(tmp_path, "sac", tensors=edit), "sac", words)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path):
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors["actor.mu.bias"][0] = value

    path = source(tmp_path, "sac", tensors=edit)
    refused(path, "sac", "layer 2: found a number that is not finite")


def test_layers_that_do_not_fit_each_other_are_refused(tmp_path: Path):
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors["actor.mu.weight"] = torch.zeros(1, 31)

    path = source(tmp_path, "sac", tensors=edit)
    refused(path, "sac", r"inputs \[3, 32, 31\] after outputs \[3, 32, 32, 1\]")


@pytest.mark.parametrize(
    ("printed", "numbers"),
    [
        ("[-1.  2.5]", [-1, 2.5]),
        ("[[-inf]\n [3.]]", [-np.inf, 3]),
        ("2", [2]),
        (4, [4]),
        ("[1. ... 2.]", None),
        ("gASV", None),
        (None, None),
    ],
)
def test_printed_numbers(printed: Any, numbers: list[float] | None):
    parsed = printed_numbers(printed)
    assert (parsed if parsed is None else parsed.tolist()) == numbers


def refused(folder: Path, name: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as error:
        of_source(folder, SB3, world_of(name))
    assert "\n" not in str(error.value)
