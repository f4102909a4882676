"""Any learner draws by its weights, and nothing else of it changes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.policy import load_policy
from tasks.artifacts.sealed import write_sealed
from tasks.code import PROJECT
from tasks.train.engine.learners import fitting
from tasks.train.engine.loop import identity, train
from tasks.train.engine.minibatches import BLOCK, Sampler, batches, draw_rows, odds
from tasks.train.engine.table import pack
from tasks.weigh import FILE, read_weights, write_weights
from tests.variant_files import WORLDS
from tests.weigh.test_trajectory_weighting import make as weighting

from . import harness
from .mixed import mixed

LENGTHS = np.random.default_rng(1).integers(2, 9, 30)
RETURNS = np.random.default_rng(2).normal(5, 20, 30)
LEARNERS = fitting("continuous")


def weighted(name: str, data: Any, weights: Any, seeds: Any = (3, 1), **more: Any):
    learner = harness.make(name, seeds, data=data, **more)
    learner.weights = weights
    return learner


def excess(counts: Any, p: Any) -> float:
    """Chi-square of counts against probabilities, in deviations above its mean."""
    expected, free = counts.sum() * p, len(p) - 1
    square = ((counts - expected) ** 2 / expected).sum()
    return float((square - free) / np.sqrt(2 * free))


def test_draws_follow_the_weights():
    """Chi-square over 65 536 draws; the tail of rows without weight is never drawn."""
    data = mixed(RETURNS, LENGTHS)
    for scheme in ("advantage", "return", "top", "uniform"):
        p = weighting(scheme, alpha=0.3).weigh(data)
        summed = odds(weighted("bc", data, p), data)
        assert summed is not None
        drawn = draw_rows([4], 0, 256, len(p), summed).numpy()
        counts = np.bincount(drawn.ravel(), minlength=len(p))
        assert (counts[p == 0] == 0).all()
        often = p > 0
        assert abs(excess(counts[often], p[often])) < 3.5, scheme
    assert excess(counts, weighting("return").weigh(data)) > 100  # it can fail


def test_a_number_at_a_border_goes_to_the_row_above(monkeypatch: pytest.MonkeyPatch):
    numbers = [0.0, 0.25, 0.5, np.nextafter(1.0, 0)]

    class Same:
        def random(self, shape: tuple[int, int]) -> Any:
            return np.broadcast_to(numbers, shape)

    monkeypatch.setattr(np.random, "default_rng", lambda _: Same())
    summed = np.cumsum([0.0, 0.25, 0.0, 0.25, 0.5, 0.0])
    assert draw_rows([0], 0, 4, 6, summed)[0].tolist() == [1, 3, 4, 4]


def test_without_weights_nothing_is_drawn_otherwise():
    """The numbers of numpy's own generator, written down before there were weights."""
    expected = np.random.default_rng([3, 2, 0]).integers(0, 96, (BLOCK, 16))
    found = draw_rows([1, 3], 2, 16, 96).view(BLOCK, 2, 16)[:, 1]
    assert np.array_equal(found.numpy(), expected)
    assert found[0, :6].tolist() == [81, 2, 54, 71, 23, 78]
    learner = harness.make("td3_bc")
    assert learner.weights is None
    assert odds(learner, harness.transitions()) is None


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_draws_by_them(name: str):
    """With all weight on one episode it sees that one alone."""
    data = mixed(RETURNS, np.full(30, 6))
    p = np.where(data.episode == int(RETURNS.argmax()), 1 / 6, 0.0)
    small = {"context": 3} if name == "dt" else {}
    learner = weighted(name, data, p, **small)
    observation = batches(learner, data, 12)(5).observation.flatten(0, -2)
    spaces = learner.spaces
    drawn = observation * spaces.observation_std + spaces.observation_mean
    mine = torch.from_numpy(data.observation[p > 0])
    away = torch.cdist(drawn, mine).amin(1)
    padded = drawn.eq(mine[-1]).all(1) if name == "dt" else torch.zeros(len(drawn)) > 0
    assert ((away < 1e-4) | padded).all()
    assert len(observation.unique(dim=0)) > 1


def test_a_learner_that_chooses_rows_draws_them_by_their_weights():
    data = mixed(RETURNS, LENGTHS)
    p = weighting().weigh(data)
    learner = weighted("bc10", data, p, fraction=0.2, discount=1.0)
    rows = learner.rows(data)
    summed = odds(learner, data)
    assert summed is not None
    share = np.diff(summed, prepend=0)
    np.testing.assert_allclose(share, p[rows] / p[rows].sum(), atol=1e-12)
    assert len(pack(learner, data)) == len(summed)


def test_rows_without_weight_are_refused():
    """The last steps of cut episodes are the ones ReBRAC leaves out."""
    data = mixed([1.0, 2.0], [3, 1])
    p = np.array([0.0, 0.0, 0.0, 1.0])
    with pytest.raises(RefusedError, match="0 on all 2 rows that ReBRAC.*td3_bc"):
        batches(weighted("rebrac", data, p), data, 4)
    with pytest.raises(RefusedError, match=r"shape \(3,\), expected shape \(4,\)"):
        batches(weighted("bc", data, p[:3]), data, 4)
    with pytest.raises(ValueError, match="needs their odds"):
        Sampler(pack(weighted("bc", data, p), data), weighted("bc", data, p), 4)


@pytest.mark.parametrize("name", ["td3_bc", "iql", "cql"])
def test_three_learners_through_one_interface(name: str, tmp_path: Path):
    """Seed k alone is seed k of the stack, and a killed training goes on."""
    data = mixed(RETURNS, LENGTHS)
    p = weighting("advantage").weigh(data)
    policies = {}
    for seeds in ((3, 1), (1,)):
        learner = weighted(name, data, p, seeds)
        train(learner, data, 10, batch=16)
        policies[seeds] = [x.detach().clone() for x in learner.policy().parameters()]
    for stacked, alone in zip(policies[3, 1], policies[1,], strict=True):
        torch.testing.assert_close(stacked[1:], alone, atol=harness.SAME_SEED, rtol=0)
    checkpoint = Checkpoint(tmp_path / "state")

    def interrupt(done: int, _: dict[str, float]) -> None:
        if done == 5:
            raise KeyboardInterrupt

    first = weighted(name, data, p)
    with pytest.raises(KeyboardInterrupt):
        train(first, data, 10, 16, checkpoint=checkpoint, report=interrupt, every=0)
    again = weighted(name, data, p)
    train(again, data, 10, 16, checkpoint=checkpoint)
    for whole, resumed in zip(policies[3, 1], again.policy().parameters(), strict=True):
        assert torch.equal(whole, resumed)
    plain = harness.make(name, data=data)
    train(plain, data, 10, batch=16)
    assert not all(map(torch.equal, policies[3, 1], plain.policy().parameters()))


@pytest.mark.parametrize("name", ["td3_bc", "iql", "cql"])
def test_the_update_does_not_know_of_them(name: str):
    """The same batch, the same bits; no method's file reads the weights."""
    data = mixed(RETURNS, LENGTHS)
    plain = harness.make(name, data=data)
    learner = weighted(name, data, weighting().weigh(data))
    batch = harness.random_batch(plain)
    metrics = [one.update(batch, 0) for one in (plain, learner)]
    assert metrics[0].keys() == metrics[1].keys()
    for key, value in plain.tensors().items():
        assert torch.equal(value, learner.tensors()[key]), key
    room = PROJECT / "tasks/train"
    for method in LEARNERS:
        files = [*room.glob(f"{method}.py"), *room.glob(f"{method}/*.py")]
        assert files, method
        assert not any(".weights" in file.read_text() for file in files), method


def test_weights_are_part_of_a_checkpoints_name():
    data = mixed(RETURNS, LENGTHS)
    keys = {
        identity(weighted("bc", data, p), {}, data.sha256, 10, 4)
        for scheme in ("return", "advantage")
        for p in (None, weighting(scheme).weigh(data))
    }
    assert len(keys) == 3


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    """A dataset's weights, written: data, weights, folder."""
    data = mixed(RETURNS, LENGTHS)
    p = weighting().weigh(data)
    folder = tmp_path / "weights/tiny/rw"
    write_weights(folder, p, {"dataset_sha256": data.sha256})
    return data, p, folder


def test_weights_are_read_as_they_were_written(stored: Any):
    data, p, folder = stored
    found, digest = read_weights(folder, data)
    assert (found.tobytes(), digest) == (p.tobytes(), sha256(folder / FILE))
    before = sha256(folder)
    write_weights(folder, p, {"dataset_sha256": data.sha256})
    assert sha256(folder) == before
    assert {file.name for file in folder.iterdir()} == {FILE, "weights.json"}


def other(stored: Any, p: Any) -> None:
    write_weights(stored[2], p, {"dataset_sha256": stored[0].sha256})


HARMS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "gone": (lambda s: (s[2] / "weights.json").unlink(), "file: found nothing"),
    "no rows": (lambda s: (s[2] / FILE).unlink(), "file: found nothing"),
    "edited": (lambda s: (s[2] / FILE).write_bytes(b"x"), "parquet: sha256: found"),
    "data": (lambda s: setattr(s[0], "sha256", "cd" * 32), "dataset_sha256: found"),
    "few": (lambda s: other(s, np.ones(2) / 2), "rows: found 2, expected"),
    "sum": (lambda s: other(s, 2 * s[1]), "add up to 2, expected"),
    "below": (lambda s: other(s, s[1] - 0.01), "probability: found"),
    "nan": (lambda s: other(s, s[1] * np.nan), "add up to nan"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_weights_of_something_else_are_refused(stored: Any, harm: str):
    change, said = HARMS[harm]
    change(stored)
    with pytest.raises(RefusedError, match=said) as refused:
        read_weights(stored[2], stored[0])
    assert "tasks.weigh --dataset tiny --weighting rw" in refused.value.mend


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty project with a dataset; yields ``run(module, *arguments)``."""
    from tasks.train import __main__ as command
    from tasks.weigh import __main__ as weigh

    monkeypatch.chdir(tmp_path)
    study = {"seeds": [3, 1], "updates": 20, "batch": 8, "snapshots": 0}
    study |= {"precision": "float32", "processes": 2, "device": "cpu"}
    target = "tasks.weigh.trajectory_weighting.TrajectoryWeighting"
    block = {"_target_": target, "scheme": "return", "alpha": 0.1, "fraction": 0.1}
    params = {
        "study": study,
        "dataset": {"tiny": {}},
        "train": {"bc": harness.block("bc")},
        "weighting": {"rw": block, "top": block | {"scheme": "top"}},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    (source := Path("data/datasets/tiny-v0")).mkdir(parents=True)
    world = WORLDS["pendulum"] | {"ref_min": 0.0, "ref_max": 10.0}
    card = {"schema": 2, "world": world, "step_seconds": 0.02}
    write_sealed(source / "world.json", card)
    data = mixed(RETURNS, LENGTHS)
    for module in (command, weigh):
        monkeypatch.setattr(module, "load_transitions", lambda _: data)

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, "--dataset", "tiny", *arguments])
        (weigh if name == "weigh" else command).main()

    return run


def test_the_two_commands(project: Any):
    for name in ("rw", "top"):
        project("weigh", "--weighting", name)
        project("train", "--learner", "bc", "--weighting", name)
    project("train", "--learner", "bc")
    about = json.loads(Path("data/weights/tiny/rw/weights.json").read_text())
    assert about["params"] == {"scheme": "return", "alpha": 0.1, "fraction": 0.1}
    assert (about["dataset"], about["weighting"]) == ("tiny", "rw")
    assert about["dataset_sha256"] == "ab" * 32
    assert about["mean_return"]["weighted"] > about["mean_return"]["uniform"]
    assert 0 < about["effective_sample_size"] < 1
    weights = {}
    for name in ("bc", "bc-rw", "bc-top"):
        folder = Path("data/policies/tiny") / name
        policy, origin = load_policy(folder)
        assert policy.seeds == 2
        assert origin["learner"] == name
        assert origin.get("weighting", "") == name[3:]
        methods = [maker["method"] for maker in origin["made_by"]]
        weigher = ["weigh.trajectory_weighting"] if name[3:] else []
        assert methods == [*weigher, "train.bc"]
        weights[name] = sha256(folder / "policy.safetensors")
    assert origin["draws_sha256"] == sha256(Path("data/weights/tiny/top") / FILE)
    assert len(set(weights.values())) == 3
    assert not list(Path(".offcut/checkpoints").iterdir())


def test_the_commands_refuse_before_they_write(project: Any):
    with pytest.raises(RefusedError, match="weighting.rww: .*did you mean rw?"):
        project("weigh", "--weighting", "rww")
    with pytest.raises(RefusedError, match="weighting.rww: .*did you mean rw?"):
        project("train", "--learner", "bc", "--weighting", "rww")
    with pytest.raises(RefusedError, match=r"make it with: .*tasks\.weigh "):
        project("train", "--learner", "bc", "--weighting", "rw")
    assert not Path("data/weights").exists()
    assert not list(Path("data/policies").rglob("*.json"))
