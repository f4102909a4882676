"""The search: its arms, budgets, samples and log; killed, resumed, written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.policy import load_policy
from tasks.artifacts.rows import load_transitions
from tasks.generate.cores.policy_batch import Arena
from tasks.generate.dcg_map_elites.distilled import conditioned, in_onnx, in_torch
from tasks.generate.dcg_map_elites.log import Log
from tasks.generate.dcg_map_elites.search import Search
from tests.generate.archives import ARMS, STEPS, search, small
from tests.generate.test_rollout import quiet
from tests.worlds.harness import load

SEARCH = "tasks.generate.dcg_map_elites.search"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SEARCH + ".CHECKPOINTS", tmp_path / "kept")


def buffered(run: Search) -> Any:
    """All transitions in the order they were stored."""
    return run.buffer.take(torch.arange(run.buffer.size))


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_spends_the_same_episodes(arm: str, monkeypatch: pytest.MonkeyPatch):
    """Active rollouts count; the log says who filled the archive."""
    played: list[int] = []
    play = Arena.play

    def counted(self: Arena, make: Any, seeds: Any, name: str) -> Any:
        played.append(len(seeds))
        return play(self, make, seeds, name)

    monkeypatch.setattr(Arena, "play", counted)
    run = search(**ARMS[arm])
    p = run.params
    for _ in range(3):
        before = sum(played)
        run.iterate()
        # the first is random policies alone
        assert sum(played) - before == p.evaluations
    rows = [dict(zip(Log.columns, row, strict=True)) for row in run.log.rows]
    assert [row["evaluations"] for row in rows] == [20, 40, 60]
    offered = {
        "random": [20, 0, 0],
        "variation": [0, p.variation, p.variation],
        "gradient": [0, p.gradient, p.gradient],
        "injected": [0, p.injected, p.injected],
    }
    for name, most in offered.items():
        added = [row[f"added_{name}"] for row in rows]
        assert all(0 <= n <= m for n, m in zip(added, most, strict=True))
        assert run.added()[name] == sum(added)
    filled = len(run.archive.elites())
    assert rows[-1]["coverage"] == filled / 256
    assert filled <= sum(run.added().values())
    assert np.isnan(rows[0]["critic_loss"]) == (arm == "map_elites")
    scores = [row["qd_score"] for row in rows]
    assert scores == sorted(scores)  # no return is negative


def test_passive_samples_say_what_was_reached_active_ones_what_was_asked():
    run = search()
    for _ in range(2):
        run.iterate()
    rows = buffered(run)
    same = (rows.observed == rows.commanded).all(1).view(-1, STEPS)
    passive = [True] * 20 + [True] * 16 + [False] * 4  # episodes, in order
    assert same.all(1).tolist() == passive
    assert not same[-4:].any()
    archive = run.archive.elites().measures.astype(np.float32)
    for commanded in rows.commanded.view(-1, STEPS, 2)[-4:]:
        assert (commanded == commanded[0]).all()
        known = np.abs(archive - commanded[0].numpy()).max(1) < 1e-6
        assert known.any()
    ends = rows.truncated.view(-1, STEPS)
    assert not rows.terminated.any()
    assert ends.sum(1).tolist() == [1] * 40
    assert ends[:, -1].all()
    observed = rows.observed.view(-1, STEPS, 2)
    after = rows.after.view(-1, STEPS, 10)
    torch.testing.assert_close(observed[:, 0] * 2, after[:, -1, :2])  # +-2 m


def test_without_active_samples_there_are_none():
    """The ablation: still conditioned, S is 1 in every row."""
    run = search(**ARMS["passive"])
    for _ in range(2):
        run.iterate()
    rows = buffered(run)
    assert torch.equal(rows.observed, rows.commanded)
    assert run.teacher
    assert run.teacher.aim_width == 2


def test_archive_policies_are_told_nothing():
    run = search()
    for _ in range(2):
        run.iterate()
    assert run.widths[0] == 10  # the observation alone
    assert run.archive.elites().genome.shape[1] == 10 * 16 + 16 + 16 * 17 + 2 * 17
    assert run.teacher
    assert run.teacher.actor.layers[0].inputs == 12


def test_gradient_children_get_their_parents_descriptors(
    monkeypatch: pytest.MonkeyPatch,
):
    run = search()
    run.iterate()
    received: dict[str, Any] = {}
    monkeypatch.setattr(
        type(run.teacher),
        "improve",
        lambda _, genomes, commanded, states: (
            received.update(genomes=genomes, commanded=commanded, states=states)
            or genomes
        ),
    )
    elites = run.archive.elites()
    run.children()
    for genome, commanded in zip(
        received["genomes"], received["commanded"], strict=True
    ):
        row = [np.array_equal(genome, one) for one in elites.genome].index(True)
        np.testing.assert_allclose(commanded, elites.measures[row], atol=1e-6)
    assert received["states"].shape == (5, 100, 10)


def test_starts_are_one_or_many():
    for fixed, count in ((True, 1), (False, 20)):
        run = search(fixed_start=fixed)
        run.iterate()
        starts = buffered(run).observation.view(-1, STEPS, 10)[:, 0]
        assert len(starts.unique(dim=0)) == count
        assert starts.abs().min() > 0  # else a network without biases stands still


def test_a_dataset_holds_archive_log_and_policy(tmp_path: Path):
    method = small(episodes_per_cell=2, policy_hidden=[8, 8])
    world = load("swimmer_omni", max_steps=STEPS)
    episodes = method.episodes(world, quiet)
    folder = tmp_path / "d-v0"
    card = write_dataset(
        folder, "d-v0", episodes, world, {}, about=method.figures, leave=method.leave
    )
    figures = card["archive"]
    assert json.loads((folder / "card.json").read_text()) == card
    assert len(episodes) == 2 * figures["filled"] == 2 * figures["cells_taken"]
    assert figures["evaluations"] == 60
    assert figures["qd_score"] == pytest.approx(
        method.search.archive.figures()["qd_score"]
    )
    assert figures["params"]["evaluations"] == 20
    assert figures["reproducibility"]["descriptor_error"] > 0
    assert len(load_transitions(folder).reward) == STEPS * len(episodes)
    log = (folder / "archive/log.csv").read_text().splitlines()
    assert len(log) == 4
    assert log[0].split(",") == list(Log.columns)

    # the policy scores the same whoever runs it: here, by hand, from its file
    _, origin = load_policy(folder / "archive")
    opened = OnnxPolicy.open(folder / "archive/seed-0.onnx")
    assert origin["dataset_sha256"] == figures["sha256"]
    assert opened.contract["parity"]["max"] < 1e-4
    elites = method.search.archive.elites()
    goals = method.search.measures.units(elites.measures).astype(np.float32)
    batch = world.make(len(goals))
    seeds = method.search.starts("distilled", range(len(goals)))
    seen, _ = batch.reset(seed=seeds)
    returns = 0.0
    for _ in range(STEPS):
        inputs = {"observation": seen.astype(np.float32), "descriptor": goals}
        action = opened.step(inputs, {})[0]["action"]
        seen, rewards, *_ = batch.step(np.clip(action, -1, 1))
        returns += rewards
    ended = np.linalg.norm(np.clip(seen[:, :2], -2, 2) - goals, axis=1) / 2
    for side in ("torch", "onnxruntime"):
        score = figures["distilled"][side]
        assert score["qd_score"] == pytest.approx(returns.sum(), rel=1e-4)
        assert score["descriptor_error"] == pytest.approx(ended.mean(), abs=1e-3)
        assert score["share"] == pytest.approx(score["qd_score"] / figures["qd_score"])


def test_torch_and_onnxruntime_act_alike():
    run = search()
    run.iterate()
    assert run.teacher
    policy = conditioned(run, run.teacher)
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(9, 10)).astype(np.float32)
    goal = draw.uniform(-2, 2, (9, 2)).astype(np.float32)
    by_torch = in_torch(policy)(seen, goal)
    np.testing.assert_allclose(in_onnx(policy, run)(seen, goal), by_torch, atol=1e-5)
    np.testing.assert_allclose(run.teacher.act(seen, goal / 2), by_torch, atol=1e-6)


def test_unconditioned_arms_have_no_policy_to_score(tmp_path: Path):
    method = small(**ARMS["map_elites"])
    method.episodes(load("swimmer_omni", max_steps=STEPS), quiet)
    method.leave(tmp_path)
    assert "distilled" not in method.figures["archive"]
    names = {path.name for path in (tmp_path / "archive").iterdir()}
    assert names == {"archive.safetensors", "log.csv"}
    assert method.search.teacher is None


def test_an_offset_is_added_to_every_return():
    plain, shifted = search(), search(qd_offset=10.0)
    for run in (plain, shifted):
        run.iterate()
    filled = len(plain.archive.elites())
    a, b = (run.archive.figures()["qd_score"] for run in (plain, shifted))
    assert b == pytest.approx(a + 10 * filled)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"active": 5}, "found 8 . 8 . 0 . 5, expected a sum of evaluations, 20"),
        ({"length_scale": 0.0}, "length_scale"),
        ({"length_scale": -0.1}, "length_scale"),
        ({"conditioned": False}, "cannot be commanded"),
        ({"samples": 100}, "at least as many as cells, 256"),
        ({"policy_hidden": []}, "found no layer"),
        ({"top_fraction": 1.5}, "top_fraction"),
        ({"cell_weights": "even"}, "one of uniform, objective"),
    ],
)
def test_bad_parameters_are_refused(changes: dict[str, Any], text: str):
    with pytest.raises(RefusedError, match=text):
        small(**changes)


def test_a_world_without_descriptors_and_a_small_buffer_are_refused():
    with pytest.raises(RefusedError, match="pendulum, which has no descriptor"):
        Search(small().params, load("pendulum"))
    with pytest.raises(RefusedError, match="at least one batch, 100"):
        search(buffer=99)


def test_one_elite_cannot_have_children():
    run = search(cells=2, samples=500)
    draw = Checkpoint(Path("nowhere"))
    run.resume(draw)  # nothing to resume
    run.done = 1  # no iteration filled the archive
    with pytest.raises(RefusedError, match="found 0, expected at least 2"):
        run.iterate()
