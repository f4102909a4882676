"""AdaDFQ: its equations, that it sees no data, and what its files hold."""

import copy
import math
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.adadfq.losses import entropy
from tasks.compress.cores.rows import Rows
from tasks.nets.policy import take
from tasks.nets.resnet import ResNet, build
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    same_tensors,
    session,
)
from tests.nets.pictures import observations, resnet

TINY: dict[str, Any] = {"epochs": 3, "iterations": 4, "width": 8, "batch": 8}
ARMS = ("adadfq", "no_margin", "gdfq", "minmax")


class Untouchable:
    """A tensor's place where nobody may look."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise AssertionError(f"somebody asked a real sample for its {name}")

    def __len__(self) -> NoReturn:
        raise AssertionError("somebody counted real samples")


def no_rows(seeds: tuple[int, ...] = (0, 1)) -> Rows:
    nothing: Any = Untouchable()
    return Rows(nothing, "made-up", "ab", seeds)


def settings(**changed: Any) -> AdaDFQParams:
    return make_compressor("adadfq", **{**TINY, **changed}).params  # type: ignore[return-value]


def game(seed: int = 5, **changed: Any) -> Game:
    return Game(take(resnet(), 0), settings(**changed), seed)


@pytest.mark.parametrize("arm", ARMS)
def test_no_real_sample_reaches_either_player(arm: str):
    """Item 1: rows that raise when they are looked at."""
    policy = resnet()
    before = copy.deepcopy(policy)
    small, report = make_compressor("adadfq", arm=arm, **TINY).compress(
        policy, no_rows()
    )
    assert same_tensors(policy, before)
    assert report["calibration"] is None
    assert small.seeds == 2


def test_the_student_waits_until_ranges_are_settled_and_then_they_stay():
    """Item 6."""
    one = game(warm_up=1)
    start = [p.detach().clone() for p in one.student.parameters()]
    moved, ranges, steps = [], [], []

    def tell(epoch: int, told: dict[str, float]) -> None:
        pairs = zip(start, one.student.parameters(), strict=True)
        moved.append(any(not torch.equal(a, b) for a, b in pairs))
        ranges.append({n: r.value for n, r in one.student.ranges.items()})
        steps.append(one.steps)

    one.run(tell)
    assert moved == [False, True, True]
    assert steps == [0, 4, 8]
    assert ranges[0] == ranges[1] == ranges[2]
    assert len(ranges[0]) == 5
    norms = one.student.policy.units["stem"], one.teacher.units["stem"]
    assert torch.equal(norms[0].mean, norms[1].mean)  # statistics never move
    assert torch.equal(norms[0].variance, norms[1].variance)
    assert not torch.equal(norms[0].gain, norms[1].gain)  # what is affine does


def test_only_the_teachers_float_weights_are_never_moved():
    one = game()
    before, maker = copy.deepcopy(one.teacher), copy.deepcopy(one.maker)
    one.run()
    assert same_tensors(one.teacher, before)
    pairs = zip(maker.parameters(), one.maker.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("bits", "stored"), [(3, 4), (4, 4), (5, 8)])
def test_every_layer_has_its_bits_and_the_file_is_the_simulation(
    bits: int, stored: int
):
    """Item 7: first and last layer too; parity, and smaller on disk."""
    policy = resnet((0,))
    compressor = make_compressor("adadfq", bits=bits, **TINY)
    small, report = compressor.compress(policy, no_rows((0,)))
    assert [row["epoch"] for row in report["course"]] == [0, 1, 2]
    assert report["bits_nominal"] == bits
    assert report["mode"] == "exact"
    for layer in report["layers"]:
        assert (layer["bits"], layer["bits_stored"]) == (bits, stored)
    for name in ("stem", "head"):
        flat = small.units[name].codes.flatten(2).double()
        assert all(len(row.unique()) <= 2**bits for row in flat.flatten(0, 1))
        assert flat.min() == -(2 ** (bits - 1))
        assert flat.max() == 2 ** (bits - 1) - 1
    assert len(model_bytes(small)) < 0.5 * len(model_bytes(policy))  # type: ignore[arg-type]
    assert report["bytes_weights"] < report["bytes_weights_before"] * (stored + 3) / 32
    rows = observations(policy, 500)
    wanted = small.logits(small.picture(rows[None]))[0]
    got = session(small, 0, "exact").run(["logits"], {"observation": rows.numpy()})  # type: ignore[arg-type]
    assert np.abs(got[0] - wanted.numpy()).max() <= 1e-5


def test_resnet_8s_file_is_a_sixth():
    policy = build(1, (3, 16, 16), (16, 32, 64), 10)
    for unit in policy.units.values():
        unit.initialise([torch.Generator().manual_seed(0)])
    policy.requires_grad_(requires_grad=False)
    compressor = make_compressor("adadfq", arm="minmax", iterations=1, batch=2)
    small, _ = compressor.compress(policy, no_rows((0,)))
    assert len(model_bytes(small)) < len(model_bytes(policy)) / 5  # type: ignore[arg-type]


def test_seed_k_alone_is_seed_k_of_the_stack_bit_for_bit():
    policy, compressor = resnet((4, 9)), make_compressor("adadfq", **TINY)
    stacked, _ = compressor.compress(policy, no_rows((4, 9)))
    alone, _ = compressor.compress(take(policy, 1), no_rows((9,)))
    again, _ = compressor.compress(policy, no_rows((4, 9)))
    assert same_tensors(take(stacked, 1), alone)  # type: ignore[arg-type]
    assert same_tensors(stacked, again)


def test_learning_brings_the_student_nearer():
    """To P, on pictures of noise that nobody trained on."""
    picture = torch.randn(200, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    one = game(epochs=5, iterations=10, batch=16, warm_up=1, rate=5e-3)
    near: list[float] = []

    def tell(epoch: int, told: dict[str, float]) -> None:
        with torch.no_grad():
            apart = one.teacher.logits(picture[None])[0] - one.student.logits(picture)
            near.append(float(entropy(apart, 5.0).mean()))

    one.run(tell)
    assert near[-1] > near[0] + 0.1 * (math.log(5) - near[0])


def test_whole_numbers_act_just_as_what_was_trained():
    one = game(bits=4)
    small = one.run()
    picture = torch.randn(500, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        wanted, got = one.student.logits(picture), small.logits(picture[None])[0]
    assert one.steps > 0
    apart = (wanted - got).abs().amax(-1) >= 1e-4 * wanted.std()
    # at a border between two codes the last bit of a sum decides, which processors
    # round differently: 0 to 3 rows of the 500
    assert apart.float().mean() < 0.02
    assert (wanted.argmax(-1) == got.argmax(-1))[~apart].all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bits": 1}, r"bits: found 1, expected \[2, 8\]"),
        ({"bits": 9}, r"bits: found 9"),
        ({"batch": 1}, r"batch: found 1, expected \[2,"),
        ({"lambda_low": 0.8}, "lambda_low: found 0.8, expected less than lambda_high"),
        ({"lambda_low": -0.1}, "lambda_low: found -0.1"),
        ({"lambda_high": 1.1}, "lambda_high: found 1.1"),
        ({"warm_up": 3}, "warm_up: found 3, expected fewer than the 3 epochs"),
        ({"arm": "magic"}, "arm: found 'magic'"),
        ({"temperature": 0.0}, "temperature: found 0.0"),
        ({"rows": 512}, "adadfq.rows: found an unknown key"),
    ],
)
def test_bad_parameters_are_refused(changed: dict[str, Any], message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("adadfq", **{**TINY, **changed})


def test_data_is_refused():
    with pytest.raises(RefusedError, match="data-free means data-free"):
        Game(take(resnet(), 0), settings(), 0, data=[torch.zeros(1)])


def test_networks_without_batch_normalisation_are_refused():
    rows = make_rows(64)
    for head in ("tanh", "gaussian"):  # continuous ones among them
        with pytest.raises(RefusedError, match=r"expected one AdaDFQ can take: ResNet"):
            make_compressor("adadfq").compress(make_policy(head=head), rows)


def broken(variance: float) -> ResNet:
    policy = resnet((0,))
    policy.units["block0_first"].variance[0, 3] = variance
    return policy


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (resnet((0,), actions=1), "policy.action: found 1, expected 2 or more"),
        (resnet((0,), image=(3, 6, 8)), "policy.image: found 6 x 8 pixels"),
        (broken(0.0), "units.block0_first.variance: found 1 channels"),
        (broken(math.nan), "units.block0_first.variance: found 1 channels"),
    ],
)
def test_policies_it_cannot_take_are_refused(policy: ResNet, message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("adadfq", **TINY).compress(policy, no_rows((0,)))


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(
        RefusedError, match="found a number that is not finite in epoch"
    ):
        game(rate=0.999, epochs=9, iterations=20).run()


OTHERS = ("int8_static", "gptq4", "structured", "distill", "quest")


@pytest.mark.parametrize("name", OTHERS)
def test_other_compressors_refuse_convolutions(name: str):
    policy = resnet()
    rows = Rows(observations(policy, 64), "made-up", "ab", (0, 1))
    pattern = r"found NormedConv, expected a layer|found ResNet, expected one"
    with pytest.raises(RefusedError, match=pattern):
        make_compressor(name).compress(policy, rows)


def test_float32_takes_them():
    policy = resnet()
    rows = Rows(observations(policy, 64), "made-up", "ab", (0, 1))
    same, report = make_compressor("float32").compress(policy, rows)
    assert same_tensors(same, policy)
    assert [layer["error"] for layer in report["layers"]] == [[0.0, 0.0]] * 7


def test_its_result_is_not_quantised_again():
    small, _ = make_compressor("adadfq", **TINY).compress(resnet(), no_rows())
    with pytest.raises(RefusedError, match="CodedResNet"):
        make_compressor("adadfq").compress(small, no_rows())
