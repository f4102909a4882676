"""Configurations of a learner in one stack: the equations, the bits, the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import sweepable
from tasks.artifacts.files import sha256
from tasks.artifacts.params import class_of
from tasks.artifacts.policy import load_critic, load_policy
from tasks.artifacts.study import Effort
from tasks.artifacts.sweep import grid
from tasks.code import made_by
from tasks.train.engine.loop import settle, train
from tasks.train.engine.parts import Job
from tasks.train.engine.slices import PerSlice, in_slices

from . import harness
from .fifty import CASES
from .test_command import project  # noqa: F401

SEEDS = (3, 1)
UPDATES = 6


def numbers() -> PerSlice:
    return PerSlice([0.5, 2.0, -1.0])


def test_beside_a_tensor_it_counts_along_the_slices():
    x = torch.arange(12.0).view(3, 2, 2)
    own = torch.tensor([0.5, 2.0, -1.0]).view(3, 1, 1)
    n = numbers()
    for found, truth in (
        (n * x, own * x),
        (x * n, own * x),
        (n - x, own - x),
        (x - n, x - own),
        (n / (x + 1), own / (x + 1)),
        (x / n, x / own),
        ((n * 2 - 1) * x, (own * 2 - 1) * x),
        (x.clamp(max=n), torch.minimum(x, own)),
        (x.clamp(-n, n), x.clamp(-own, own)),
        (torch.where(x < n, x, 0.0), torch.where(x < own, x, 0.0)),
        (x >= n, x >= own),
        (n * x.sum((1, 2)), own.view(3) * x.sum((1, 2))),
    ):
        assert torch.equal(found, truth)


def test_among_each_other_and_numbers_they_are_doubles():
    n = numbers()
    third = 1 - n / 3
    assert isinstance(third, PerSlice)
    assert third.values.tolist() == [1 - v / 3 for v in (0.5, 2.0, -1.0)]
    assert np.asarray(-n, np.float32).tolist() == [-0.5, -2.0, 1.0]
    assert bool(n)
    assert not PerSlice([0.0, 0.0])


def test_a_tensor_of_other_slices_is_refused():
    with pytest.raises(ValueError, match=r"3 slices beside a tensor \(2, 4\)"):
        numbers() * torch.ones(2, 4)


def test_numbers_that_all_share_stay_numbers():
    parse = class_of(harness.block("iql"), "train.iql").Parameters.parse
    blocks = [harness.block("iql", beta=b) for b in (1, 3)]
    stack = in_slices([parse(block, "train.iql") for block in blocks], 2)
    assert stack.expectile == blocks[0]["expectile"]
    assert np.asarray(stack.beta).tolist() == [1, 1, 3, 3]


def effort(**change: Any) -> Effort:
    fields = {"seeds": SEEDS, "updates": UPDATES, "batch": 16, "snapshots": 0}
    fields |= {"precision": "float32", "processes": 1, "device": "cpu"}
    return Effort(**{**fields, **change})


def values_of(block: dict[str, Any], name: str, cls: Any) -> list[float]:
    """The learner's own value of a number and another one in its range."""
    own = float(block[name])
    for other in (own * 0.5, own * 2, own + 0.25, own - 0.25):
        try:
            cls.parse({**block, name: other}, "x")
        except RefusedError:
            continue
        if other != own:
            return [own, other]
    raise AssertionError(name)


@pytest.mark.parametrize("case", CASES)
def test_each_slice_is_the_training_of_its_configuration(case: str):
    """All numbers that may be swept, at once; every slice against its own stack."""
    settle()
    name, data, override = CASES[case]
    data = data or harness.transitions()
    block = harness.block(name, **override or {})
    parameters = class_of(block, f"train.{name}").Parameters
    pairs = {n: values_of(block, n, parameters) for n in sweepable(parameters)}
    assert pairs
    tried = {
        policy: {n: pair[i] for n, pair in pairs.items()}
        for i, policy in enumerate(("first", "second"))
    }
    job = Job(name, block, data, effort(), tried)
    both = job.learner(list(tried), SEEDS)
    train(both, data, UPDATES, 16)
    for i, policy in enumerate(tried):
        alone = job.learner([policy], SEEDS)
        train(alone, data, UPDATES, 16)
        for key, tensor in alone.state_dict().items():
            found = both.state_dict()[key]
            if found.shape != tensor.shape:
                found = found.chunk(2)[i]
            torch.testing.assert_close(
                found, tensor, atol=harness.SAME_SEED, rtol=1e-6, msg=f"{policy} {key}"
            )


def configure(sweep: Any, **change: Any) -> None:
    """Change what params.yaml says of training."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"] |= change
    params |= {"sweep": sweep}
    params["grid"] = grid(params)
    text = yaml.safe_dump(params, sort_keys=False)  # names follow the lists' order
    Path("params.yaml").write_text(text)


IQL, EDAC = Path("data/policies/tiny/iql"), Path("data/policies/tiny/edac")
TINY = ("--dataset", "tiny", "--learner")


def test_the_command_leaves_a_policy_a_configuration(project: Any):  # noqa: F811
    configure({"iql": {"expectile": [0.6, 0.7], "beta": [3]}}, snapshots=2)
    project(*TINY, "iql")
    names = {"iql-expectile0p6-beta3", "iql-expectile0p7-beta3"}
    assert {f.name for f in IQL.iterdir()} == names
    kept = {"policy.json", "policy.safetensors", "curves.csv", "snapshots"}
    for name in names:
        assert {f.name for f in (IQL / name).iterdir()} == kept
    one = IQL / "iql-expectile0p6-beta3"
    policy, origin = load_policy(one)
    assert policy.seeds == 2
    assert origin["learner"] == one.name
    assert origin["swept"] == {"expectile": 0.6, "beta": 3}
    plain = {**harness.block("iql"), "expectile": 0.6, "beta": 3}
    assert origin["made_by"] == [made_by("train", "iql", plain)]
    last, _ = load_policy(one / "snapshots/20")
    for key, tensor in policy.state_dict().items():
        assert torch.equal(tensor, last.state_dict()[key])
    assert not list(Path(".offcut/checkpoints").iterdir())

    tried = yaml.safe_load(Path("params.yaml").read_text())["grid"]["iql"]
    stacked = {name: rows(IQL / name) for name in tried}
    for name, numbers in tried.items():
        same_as_alone(project, name, numbers, stacked[name])


def rows(folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """The curves and the weights of a policy."""
    curves = np.genfromtxt(folder / "curves.csv", delimiter=",", skip_header=1)
    return curves, load_policy(folder)[0].state_dict()


def same_as_alone(
    project: Any,  # noqa: F811
    name: str,
    numbers: dict[str, float],
    found: tuple[Any, dict[str, torch.Tensor]],
) -> None:
    """A configuration as a part of a sweep, and as all that is trained."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["train"]["iql"] = harness.block("iql", **numbers)
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    configure({})
    project(*TINY, "iql")
    curves, weights = rows(IQL)
    np.testing.assert_allclose(found[0], curves, rtol=1e-4, atol=1e-6, err_msg=name)
    for key, tensor in weights.items():
        torch.testing.assert_close(
            found[1][key], tensor, atol=harness.SAME_SEED, rtol=0
        )


def test_one_configuration_alone_is_the_plain_training_bit_for_bit(
    project: Any,  # noqa: F811
):
    own = harness.block("iql")["beta"]
    project(*TINY, "iql")
    plain = (IQL / "policy.safetensors").read_bytes()
    configure({"iql": {"beta": [own]}})
    project(*TINY, "iql")
    (folder,) = IQL.iterdir()
    assert (folder / "policy.safetensors").read_bytes() == plain


def test_other_values_leave_a_configurations_bytes_alone(project: Any):  # noqa: F811
    """So what follows of it does not run again."""
    configure({"iql": {"beta": [1, 3]}})
    project(*TINY, "iql")
    before = sha256(IQL / "iql-beta3")
    configure({"iql": {"beta": [10, 3]}})
    project(*TINY, "iql")
    assert sha256(IQL / "iql-beta3") == before
    assert not (IQL / "iql-beta1").exists()


def test_processes_share_the_configurations(project: Any):  # noqa: F811
    """Critics are kept too; several parts leave what one leaves."""
    sweep = {"edac": {"eta": [0.0, 1.0, 5.0]}}
    left = []
    for processes in (1, 2):
        configure(sweep, processes=processes)
        project(*TINY, "edac")
        left.append({f.name: load_critic(f)[0] for f in EDAC.iterdir()})
    o, a = torch.ones(2, 1, harness.O), torch.ones(2, 1, harness.A)
    once, shared = left
    assert sorted(once) == ["edac-eta0", "edac-eta1", "edac-eta5"]
    for name, critic in once.items():
        torch.testing.assert_close(critic(o, a), shared[name](o, a), atol=1e-5, rtol=0)
    values = [critic(o, a) for critic in once.values()]
    assert not torch.allclose(values[0], values[2], atol=1e-6)


def test_the_configuration_that_diverged_is_named(
    project: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    project(*TINY, "bc")
    huge = harness.transitions(reward=np.full(96, 1e35, np.float32))
    monkeypatch.setattr("tasks.train.__main__.load_transitions", lambda _: huge)
    configure({"edac": {"discount": [0.0, 1.0]}}, updates=400)
    with pytest.raises(RefusedError, match=r"of seed \d of edac-discount\d,"):
        project(*TINY, "edac")
    assert not EDAC.exists()


@pytest.mark.parametrize(
    ("width", "processes", "sizes"),
    [
        (64, 1, [10, 10, 10, 10]),
        (256, 1, [2, 3, 3] * 5),
        (8, 1, [40]),
        (8, 3, [13, 13, 14]),
    ],
)
def test_a_stack_is_as_large_as_is_fast(width: int, processes: int, sizes: list[int]):
    """40 configurations of three seeds; narrow networks leave room for more."""
    tried = {f"p{i}": {"alpha": float(i)} for i in range(40)}
    block = harness.block("td3_bc", actor_hidden=[width], critic_hidden=[8])
    three = effort(seeds=(0, 1, 2), processes=processes)
    parts = Job("td3_bc", block, harness.transitions(), three, tried).parts()
    assert [len(part.policies) for (part,) in parts] == sizes
    assert [name for (part,) in parts for name in part.policies] == list(tried)
