"""Rollouts: whole episodes, whatever is in flight."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.episodes import Episode, check_episodes
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model, contract_of, write_onnx
from tasks.artifacts.params import build
from tasks.artifacts.seeding import generator
from tasks.generate.engine.recording import Plan, collect
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.worlds import World
from tasks.worlds.engine.behaviors import open_behavior
from tests.nets.transformers import transformer
from tests.variant_files import write
from tests.worlds.harness import load


def quiet(share: float, words: str) -> None:
    """No progress bar."""


def make(name: str, **changes: Any) -> Any:
    """The generator of params/generate/<name>.yaml, some of its values changed."""
    block = yaml.safe_load(Path(f"params/generate/{name}.yaml").read_text("utf-8"))
    behaviors = changes.pop("behaviors", Path("nowhere"))
    return build(block | changes, "generate", behaviors=behaviors)


def behavior(folder: Path, world: World, name: str, head: str, hidden: int = 8) -> Path:
    """Write a small ONNX policy and give the folder of behaviours."""
    width, actions = world.observation_space.shape[0], world.action_space.shape[0]
    outputs = 2 * actions if head == "gaussian" else actions
    layers = [Linear(1, width, hidden), Linear(1, hidden, outputs)]
    for number, layer in enumerate(layers):
        layer.initialise([generator(0, f"{name}{number}")])
    space = world.action_space
    policy = Feedforward(
        layers,
        head,
        torch.zeros(width),
        torch.ones(width),
        torch.from_numpy(space.low),
        torch.from_numpy(space.high),
    )
    origin = {
        "seeds": [0],
        "learner": "sac",
        "dataset": "none",
        "dataset_sha256": "",
        "world": world.params.name,
        "env_id": world.params.env_id,
        "step_seconds": world.step_seconds,
        "weights_sha256": "",
        "statistics_sha256": "",
        "made_by": [],
    }
    place = folder / world.params.name
    place.mkdir(parents=True, exist_ok=True)
    model = build_model(policy, 0)
    write_onnx(place / f"{name}.onnx", model, contract_of(policy, 0, origin, "exact"))
    return folder


def assert_equal(a: list[Episode], b: list[Episode], tolerance: float = 0.0) -> None:
    """The same episodes, to a tolerance."""
    assert [len(e) for e in a] == [len(e) for e in b]
    for x, y in zip(a, b, strict=True):
        assert x.seed == y.seed
        np.testing.assert_allclose(x.actions, y.actions, rtol=0, atol=tolerance)
        np.testing.assert_allclose(
            x.observations, y.observations, rtol=0, atol=100 * tolerance
        )
        assert np.array_equal(x.terminations, y.terminations)


@pytest.mark.parametrize("budget", [{"episodes": 9, "steps": None}, {"steps": 130}])
def test_episodes_do_not_depend_on_how_many_are_in_flight(budget: dict[str, Any]):
    world = load("hopper")
    runs = [
        make("rollout", policy="random", in_flight=n, **budget).episodes(world, quiet)
        for n in (1, 4, 16)
    ]
    assert_equal(runs[0], runs[1])
    assert_equal(runs[0], runs[2])
    check_episodes(runs[0], world.observation_space, world.action_space, "made")


def test_episodes_are_what_gymnasium_gives():
    """Stepping Gymnasium with the recorded actions gives what was recorded."""
    import gymnasium

    world = load("hopper")
    episodes = make("rollout", policy="random", episodes=3, steps=None).episodes(
        world, quiet
    )
    env = gymnasium.make(world.env_spec())
    for episode in episodes:
        seen, _ = env.reset(seed=episode.seed)
        rows, rewards = [seen], []
        for action in episode.actions:
            seen, reward, terminated, truncated, _ = env.step(action)
            rows.append(seen)
            rewards.append(reward)
        assert np.array_equal(episode.observations, rows)
        assert np.array_equal(episode.rewards, rewards)
        assert (episode.terminations[-1], episode.truncations[-1]) == (
            terminated,
            truncated,
        )
        assert np.array_equal(episode.infos["qpos"][:, 1:], np.array(rows)[:, :5])


def test_steps_budget_takes_whole_episodes_and_stops():
    world = load("hopper")
    rollout = make("rollout", policy="random", steps=200)
    lengths = [len(e) for e in rollout.episodes(world, quiet)]
    assert sum(lengths[:-1]) < 200 <= sum(lengths)


def test_steps_that_no_part_holds_are_refused(monkeypatch: pytest.MonkeyPatch):
    """A dataset with fewer steps than asked for would be taken for a whole one."""
    monkeypatch.setattr("tasks.generate.engine.recording.PER_PART", 5)
    generator = make("rollout", policy="random", steps=2000, in_flight=3)
    with pytest.raises(RefusedError, match="steps: found 2000, of which 5 episodes"):
        generator.episodes(load("hopper"), quiet)


def test_truncated_episodes_end_so():
    world = load("halfcheetah", max_steps=7)
    rollout = make("rollout", policy="random", steps=20)
    episodes = rollout.episodes(world, quiet)
    assert [len(e) for e in episodes] == [7, 7, 7]
    assert all(e.truncations[-1] and not e.terminations.any() for e in episodes)


def test_seeds_differ_between_episodes_and_datasets():
    world = load("pendulum", max_steps=5)
    a, b = (
        make("rollout", policy="random", episodes=3, steps=None, seed=s) for s in (0, 1)
    )
    seeds = [e.seed for g in (a, b) for e in g.episodes(world, quiet)]
    assert len(set(seeds)) == 6
    assert min(seeds) >= 2**30  # away from those of training and evaluation


@pytest.mark.parametrize("head", ["tanh", "gaussian"])
def test_network_acts_with_its_noise(head: str, tmp_path: Path):
    world = load("hopper")
    behaviors = behavior(tmp_path, world, "small", head)

    def run(**changes: Any) -> list[Episode]:
        params = {"policy": "small", "episodes": 4, "steps": None} | changes
        return make("rollout", behaviors=behaviors, **params).episodes(world, quiet)

    still, noisy = run(noise=0.0), run(noise=0.5)
    assert {e.source for e in still} == {"small"}
    difference = np.abs(still[0].actions[0] - noisy[0].actions[0])
    assert 0 < difference.max() < 2
    assert np.array_equal(still[0].observations[0], noisy[0].observations[0])
    check_episodes(noisy, world.observation_space, world.action_space, "made")
    assert_equal(noisy, run(noise=0.5))
    assert_equal(noisy, run(noise=0.5, in_flight=1), 1e-4)


def test_probabilities_are_the_slope_of_the_sampled_action(tmp_path: Path):
    """Log N(n) - log da/dn at the noise n that was drawn, to 1e-2.

    The slope is a difference of the file's own actions; float32 bounds its precision.
    Actions within 0.01 of a bound are left out, which a test of densities looks at.
    """
    world = load("pendulum", max_steps=50)
    behaviors = behavior(tmp_path, world, "small", "gaussian")
    acts = open_behavior(behaviors, world, "small", 0.7)
    plan = Plan(0, 0, 2, None, 2)
    for number, episode in enumerate(collect(world, [(acts, plan)], quiet)):
        noise = acts.draw(plan.generator(number), 50)
        up, down = (
            acts.actions(episode.observations[:-1], noise + step) / 2
            for step in (np.float32(0.01), np.float32(-0.01))
        )
        slope = (up - down)[:, 0] / 0.02
        expected = -0.5 * noise[:, 0] ** 2 - np.log(slope) - np.log(2 * np.pi) / 2
        inside = np.abs(episode.actions[:, 0]) < 1.98
        assert inside.sum() > 30
        log_prob = episode.infos["log_prob"]
        assert log_prob.shape == (51,)
        assert log_prob[-1] == 0
        np.testing.assert_allclose(log_prob[:-1][inside], expected[inside], atol=1e-2)


def test_random_actions_have_an_even_density():
    world = load("hopper")
    rollout = make("rollout", policy="random", episodes=2, steps=None)
    for episode in rollout.episodes(world, quiet):
        np.testing.assert_allclose(episode.infos["log_prob"][:-1], -3 * np.log(2))


def test_bad_policies_are_refused(tmp_path: Path):
    world = load("hopper")
    behaviors = behavior(tmp_path, world, "small", "tanh")
    options = {"behaviors": behaviors, "episodes": 1, "steps": None}
    with pytest.raises(RefusedError, match=r"expected random, small; run: .*behaviors"):
        make("rollout", policy="smal", **options).episodes(world, quiet)
    carries = transformer((0,), observation=11, action=3)
    write(tmp_path / "hopper", carries, world, "float32")
    with pytest.raises(RefusedError, match="carry: found actions, .* no memory"):
        make("rollout", policy="seed-0", **options).episodes(world, quiet)
    walker = load("walker2d")
    (tmp_path / "hopper").rename(tmp_path / "walker2d")
    with pytest.raises(RefusedError, match=r"found \[11, 3, False\].*\[17, 6, False\]"):
        make("rollout", policy="small", **options).episodes(walker, quiet)
    with (tmp_path / "walker2d/small.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RefusedError, match="sha256"):
        make("rollout", policy="small", **options).episodes(walker, quiet)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 3, "steps": 10}, "found 3 episodes and 10 steps"),
        ({"episodes": None, "steps": None}, "None episodes and None steps"),
        ({"noise": -1.0}, "generate.noise: found -1.0"),
        ({"polciy": "x"}, "did you mean policy?"),
    ],
)
def test_bad_parameters_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(RefusedError) as error:
        make("rollout", **changes)
    assert message in str(error.value)
