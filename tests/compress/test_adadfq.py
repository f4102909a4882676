"""AdaDFQ: its equations, that it sees no data, and what its files hold."""

import copy
import math
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build as build_block
from tasks.compress import Rows
from tasks.compress._adadfq import AdaDFQParams, Game
from tasks.compress._adadfq_losses import (
    Generator,
    Watch,
    agree_loss,
    agreement,
    balance_loss,
    distil_loss,
    entropy,
    margin_loss,
)
from tasks.nets.policy import take
from tasks.nets.residual import through
from tasks.nets.resnet import ResNet, build
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    onnx_difference,
    same_tensors,
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


def test_both_distributions_enter_the_balance():
    """Item 2: cross-entropies of z_P - z_Q and of z_P + z_Q, by hand; no KL."""
    p, q = torch.tensor([[2.0, 0.5, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    label = torch.tensor([0])
    u, v = [2.0, -0.5, -1.0], [2.0, 1.5, 1.0]
    apart = -u[0] + math.log(sum(map(math.exp, u)))
    together = -v[0] + math.log(sum(map(math.exp, v)))
    for a, b in ((0.2, 0.1), (1.0, 0.0), (0.0, 1.0)):
        found = balance_loss(p, q, label, a, b)
        assert float(found) == pytest.approx(a * apart + b * together, rel=1e-5)
    assert float(balance_loss(p, q, label, 1, 0)) != pytest.approx(
        float(balance_loss(q, p, label, 1, 0))
    )


def test_agreement_is_normalised_by_the_batch_and_both_hinges_are_there():
    """Item 3, by hand: log C above, the batch's least entropy below."""
    p = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    q = torch.zeros(3, 2) + 7  # a constant changes nothing

    def h(x: float) -> float:
        a = 1 / (1 + math.exp(-x))
        return -a * math.log(a) - (1 - a) * math.log(1 - a)

    wanted = [1.0, 0.0, (h(1) - h(3)) / (math.log(2) - h(3))]
    found = agreement(p, q)
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)
    hinges = (0.3 - 0.0) / 3, (1.0 - 0.6) / 3 + (wanted[2] - 0.6) / 3
    loss = margin_loss(found, 0.3, 0.6)
    assert float(loss) == pytest.approx(sum(hinges), abs=1e-5)
    assert float(margin_loss(torch.tensor([0.3, 0.5, 0.6]), 0.3, 0.6)) == 0
    assert agreement(p, p).tolist() == pytest.approx([1, 1, 1])


def test_the_least_entropy_keeps_its_gradient():
    p = torch.tensor([[0.0, 1.0], [3.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(agreement(p, torch.zeros(2, 2))[0], p)
    assert gradient[1].abs().min() > 0


@pytest.mark.parametrize("temperature", [1.0, 5.0, 20.0])
def test_the_student_maximises_the_entropy_at_its_temperature(temperature: float):
    """Item 4, first half."""
    u = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]])
    total = 0.0
    for row in u.tolist():
        e = [math.exp(x / temperature) for x in row]
        total -= sum(x / sum(e) * math.log(x / sum(e)) for x in e)
    wanted = -(temperature**2) * total / 2
    assert float(agree_loss(u, torch.zeros_like(u), temperature)) == pytest.approx(
        wanted, rel=1e-5
    )
    agreed = agree_loss(u, u + 4, temperature)
    assert float(agreed) == pytest.approx(-(temperature**2) * math.log(3), rel=1e-5)
    assert float(agreed) < wanted


def test_the_players_interests_in_agreement_are_opposite():
    """Item 4, second half: beyond the upper margin one lowers what the other raises."""
    p = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.4, 0.0]])
    q = torch.zeros(3, 2, requires_grad=True)
    pull = -torch.autograd.grad(agree_loss(p, q, 1.0), q)[0]
    push = -torch.autograd.grad(margin_loss(agreement(p, q), 0.1, 0.8), q)[0]
    assert float(agreement(p, q)[2].detach()) > 0.8
    assert (pull[2] * push[2]).max() < 0
    step = 1e-2
    for move, sign in ((pull, 1), (push, -1)):
        moved = entropy(p - (q + step * move))[2] - entropy(p - q)[2]
        assert float(moved) * sign > 0


def test_gdfqs_losses_by_hand():
    p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    a = 1 / (1 + math.exp(-0.5))
    kl = a * math.log(2 * a) + (1 - a) * math.log(2 * (1 - a))
    wanted = math.log(2) + 4 * kl / 2  # mean over samples and classes
    found = distil_loss(p, q, torch.tensor([0]), 2.0)
    assert float(found) == pytest.approx(wanted, rel=1e-4)
    one = game(arm="gdfq")
    wanted_logits, statistics = (
        torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0]]),
        torch.ones(()),
    )
    loss, _ = one.maker_loss(
        torch.zeros(1, 3, 8, 8), wanted_logits, torch.tensor([1]), statistics
    )
    assert float(loss) == pytest.approx(math.log(5) + 0.1)


def test_statistics_are_those_that_enter_the_teachers_norms():
    """Item 5: seen on P, biased variance, and P's own statistics untouched."""
    policy = take(resnet(), 0)
    seen: dict[str, torch.Tensor] = {}
    normed = {n: u for n, u in policy.units.items() if n != "head"}
    picture = torch.randn(6, 3, 8, 8)
    before = copy.deepcopy(policy)
    watch = Watch(policy)
    logits = through(2, picture[None], watch)
    for name, layer in normed.items():
        layer.register_forward_pre_hook(
            lambda layer, given, name=name: seen.update(
                {name: layer.convolved(given[0], layer.weight)[0]}
            )
        )
    torch.testing.assert_close(policy.logits(picture[None]), logits)
    errors = []
    for name, layer in normed.items():
        rows = seen[name].transpose(0, 1).flatten(1).double()  # (N, B Y X)
        mean = rows.mean(1)
        variance = (rows - mean[:, None]).square().mean(1)
        errors.append(
            (mean - layer.mean[0]).square().mean()
            + (variance - layer.variance[0]).square().mean()
        )
    assert len(errors) == len(watch.errors) == 6
    wanted = float(sum(errors) / 6)
    assert float(watch.loss()) == pytest.approx(wanted, rel=1e-4)
    assert same_tensors(policy, before)


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
    policy = resnet()
    compressor = make_compressor("adadfq", bits=bits, **TINY)
    small, report = compressor.compress(policy, no_rows())
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
    assert onnx_difference(small, observations(policy, 500), "exact") == 0  # type: ignore[arg-type]


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


def test_pictures_have_the_statistics_of_the_normaliser():
    made = Generator(5, (3, 8, 8), 8, 1)
    noise = torch.randn(16, 100)
    picture = made(noise, torch.arange(16) % 5)
    assert picture.shape == (16, 3, 8, 8)
    torch.testing.assert_close(
        picture.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0
    )
    variance = picture.var((0, 2, 3), correction=0)
    torch.testing.assert_close(variance, torch.ones(3), atol=1e-2, rtol=0)
    norms = [m for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert [norm.eps for norm in norms] == [1e-5, 0.8, 0.8, 1e-5]
    assert not norms[-1].affine
    one, other = (made(noise, torch.full((16,), y)) for y in (0, 1))
    assert (one - other).abs().max() > 0.1  # the class matters


def test_learning_brings_the_student_nearer():
    """More epochs, more agreement with P on pictures nobody trained on."""
    policy = take(resnet(), 0)
    rows = observations(policy, 1000)[None]
    wanted = policy(rows)
    shares = []
    for epochs in (2, 12):
        params = settings(bits=3, epochs=epochs, iterations=30, warm_up=1, batch=16)
        with torch.enable_grad():
            small = Game(policy, params, 0).run()
        shares.append(float((small(rows) == wanted).float().mean()))
    assert shares[1] > shares[0]


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


@pytest.mark.parametrize("name", ["int8_static", "gptq4", "structured", "distill"])
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
    assert np.isfinite(small.observation_std.numpy()).all()
    assert build_block is not None
