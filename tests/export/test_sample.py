"""The command that gives a diffusion policy another sampler, and what it writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import tasks.export.__main__ as command
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256, write_json
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.policy import save_policy
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tasks.export.cores.schedule import Schedule
from tasks.export.engine.apply_sampler import action_error, check_policy, fine_plan
from tasks.nets.policy import Policy, take
from tasks.nets.sampling import Plan
from tests.compress.harness import make_compressor, make_policy
from tests.export.samplers import METHODS, make
from tests.nets.diffusions import diffusion

CARD = Path("data/datasets/swings-v0/card.json")
SEEDS = (4, 7)
LEARNER = made_by("train", "dql", {})
SAMPLERS = {
    name: yaml.safe_load(Path(f"params/export/{name}.yaml").read_text("utf-8"))
    for name in ("feedforward", *METHODS)
}
WORLD = yaml.safe_load(Path("params/world/pendulum.yaml").read_text("utf-8"))


@pytest.fixture
def place(folder: Path) -> Path:
    """Its params ask for both seeds and all variants."""
    parameters()
    return folder


def parameters(**changes: dict[str, Any]) -> None:
    study = {
        "seeds": list(SEEDS),
        "datasets": ["swings"],
        "policies": ["dql"],
        "variants": ["float32", "int8_static"],
        "sampled": {
            "policies": ["dql"],
            "variants": ["float32", "int8_static"],
            "samplers": list(METHODS),
            "steps": [3, 5],
        },
    }
    export = {name: one | changes.get(name, {}) for name, one in SAMPLERS.items()}
    Path("params.yaml").write_text(yaml.safe_dump({"study": study, "export": export}))


def small(steps: int = 6) -> Policy:
    """Of a world with 3 observations and 1 action; not all of its actions clip."""
    return diffusion(steps, SEEDS, (24, 24), gain=0.7, observation=3, action=1)


def save(made: Policy, variant: str = "float32", mode: str = "exact") -> None:
    folder = Path("data/compressed/swings/dql") / variant
    folder.mkdir(parents=True, exist_ok=True)
    origin = {
        "seeds": list(SEEDS),
        "learner": "dql",
        "dataset": "swings",
        "dataset_sha256": read_json(CARD, "")["sha256"],
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.05,
        "made_by": [LEARNER],
    }
    save_policy(folder, made, origin)
    write_json(folder / "compression.json", {"schema": 1, "mode": mode})


def run(monkeypatch: pytest.MonkeyPatch, *more: str, variant: str = "float32") -> int:
    words = ["--dataset", "swings", "--learner", "dql", "--variant", variant, *more]
    monkeypatch.setattr("sys.argv", ["export", *words])
    return run_stage(command.main)


def out(name: str) -> Path:
    return Path("data/onnx/swings/dql") / name


@pytest.mark.parametrize("name", METHODS)
def test_every_sampler_becomes_a_file_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    made = small()
    save(made)
    parameters(dc_solver={"iterations": 2})
    assert run(monkeypatch, "--sampler", name, "--steps", "5") == 0
    folder = out(f"float32-{name}-5")
    told = read_json(folder / "sampler.json", "")
    assert (told["sampler"], told["calls"], told["fine"]["calls"]) == (name, 5, 6)
    assert (folder / "dc_ratios.json").exists() == (name == "dc_solver")
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((5, 3)).astype(np.float32)
    for k, seed in enumerate(SEEDS):
        opened = OnnxPolicy.open(folder / f"seed-{seed}.onnx")
        plan = Plan.from_spec(told["seeds"][k]["spec"])
        entry = opened.contract["sampler"]
        assert entry["plan_sha256"] == plan.sha256 == told["seeds"][k]["plan_sha256"]
        assert entry["calls"] == plan.calls == 5
        assert opened.contract["variant"] == f"float32-{name}-5"
        assert opened.contract["seed"] == seed
        block = yaml.safe_load(Path("params.yaml").read_text("utf-8"))["export"][name]
        assert opened.contract["made_by"] == [LEARNER, made_by("export", name, block)]
        alone = take(made, k).with_plan(plan)
        for batch in (1, 5):
            given = draw.standard_normal((batch, plan.noises)).astype(np.float32)
            wanted = alone(
                torch.from_numpy(rows[None, :batch]), torch.from_numpy(given[None])
            )[0]
            got = opened.act(rows[:batch], given)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


def test_the_graph_calls_the_network_as_often_as_said_and_keeps_its_weights_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    import onnx

    save(small())
    for name in ("ddim", "unipc"):
        assert run(monkeypatch, "--sampler", name, "--steps", "3") == 0
        model = onnx.load(out(f"float32-{name}-3") / "seed-4.onnx")
        products = [n for n in model.graph.node if n.op_type in ("Gemm", "MatMul")]
        assert len(products) == 3 * 3 + 1  # calls x layers, and of the observation
        weights = [t.name for t in model.graph.initializer if len(t.dims) == 2]
        assert weights == ["l0.s.w", "l0.w", "l1.w", "l2.w"]


def test_the_search_is_deterministic_and_of_each_seed(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    save(small())
    hashes = []
    for _ in range(2):
        assert run(monkeypatch, "--sampler", "dc_solver", "--steps", "5") == 0
        hashes.append(sha256(out("float32-dc_solver-5")))
    assert hashes[0] == hashes[1]
    told = read_json(out("float32-dc_solver-5") / "dc_ratios.json", "")
    first, second = (one["ratios"] for one in told["seeds"])
    assert [one["seed"] for one in told["seeds"]] == list(SEEDS)
    assert first[:2] == second[:2] == [1, 1]
    assert first[2:] != second[2:]
    for one in told["seeds"]:
        searched = one["searched"]["5"]
        assert all(np.array(searched["after"]) <= np.array(searched["before"]))
    parameters(dc_solver={"predict": [4, 5], "iterations": 3})
    assert run(monkeypatch, "--sampler", "dc_solver", "--steps", "3") == 0
    told = read_json(out("float32-dc_solver-3") / "dc_ratios.json", "")
    assert np.shape(told["seeds"][0]["coefficients"]) == (36,)
    assert list(told["seeds"][0]["searched"]) == ["4", "5"]


def test_a_quantised_policy_is_searched_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    from tests.compress.harness import make_rows

    made, report = make_compressor("int8_static").compress(
        small(), make_rows(width=3, seeds=SEEDS)
    )
    save(made, "int8_static", report["mode"])
    more = ("--sampler", "dc_solver", "--steps", "5")
    assert run(monkeypatch, *more, variant="int8_static") == 0
    opened = OnnxPolicy.open(out("int8_static-dc_solver-5") / "seed-4.onnx")
    assert opened.contract["mode"] == report["mode"]


def test_the_error_is_against_a_fine_sampler_and_falls_with_calls():
    alone = take(diffusion(50, SEEDS, (24, 24)), 0)
    schedule = Schedule.of(alone.abar)
    fine = alone.with_plan(fine_plan(alone))
    assert fine.plan.calls == 50
    assert all(step.clip for step in fine.plan.steps if hasattr(step, "clip"))
    rows = torch.randn(64, 11, generator=torch.Generator().manual_seed(0))
    errors = []
    for calls in (2, 10, 40):
        plan = make("ddim").plan(schedule, calls)
        errors.append(action_error(alone.with_plan(plan), fine, rows)["mean"])
    assert errors[0] > errors[1] > errors[2] > 0
    assert action_error(fine, fine, rows) == {"mean": 0, "max": 0}


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda: small(0), "one_step, a plan of one network call"),
        (lambda: small(1), "ddpm, a plan of one network call"),
        (lambda: make_policy((8,), "tanh", SEEDS, observation=3, action=1), "a Feedfo"),
    ],
)
def test_a_policy_that_takes_no_sampler_is_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: Any,
    found: str,
):
    save(made())
    assert run(monkeypatch, "--sampler", "ddim", "--steps", "3") == 1
    error = capsys.readouterr().err
    assert f"data/compressed/swings/dql/float32: policy: found {found}" in error
    assert "a diffusion policy that predicts noise or data" in error
    assert not out("float32-ddim-3").exists()


def test_a_network_that_does_not_say_what_it_predicts_is_refused():
    made = small()
    made.kind = "score"
    with pytest.raises(RefusedError, match="a network that predicts score"):
        check_policy(Path("x"), made)
    made.kind, made.abar = "noise", ()
    with pytest.raises(RefusedError, match="without a noise schedule"):
        check_policy(Path("x"), made)


def test_names_the_study_does_not_have_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    save(small())
    for more, said in (
        (("--sampler", "dimm", "--steps", "3"), "did you mean float32-ddim-3?"),
        (("--sampler", "ddim", "--steps", "4"), "an unknown name"),
    ):
        assert run(monkeypatch, *more) == 1
        assert said in capsys.readouterr().err
    assert run(monkeypatch, variant="float32-ddim-3") == 1  # without its parts
    assert "study.variants.float32-ddim-3: found an unknown" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(monkeypatch, "--sampler", "ddim")
    assert "--steps is missing" in capsys.readouterr().err
    assert not Path("data/onnx").exists()


def test_more_calls_than_the_schedule_has_times_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    save(small(4))
    assert run(monkeypatch, "--sampler", "ddim", "--steps", "5") == 1
    assert "at most 4, the whole times up to the start" in capsys.readouterr().err
    assert not out("float32-ddim-5").exists()
