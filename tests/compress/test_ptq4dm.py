"""PTQ4DM: where its states come from, how its ranges are found, what its files hold."""

import json
import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.compress._ptq4dm import (
    OWN,
    Draw,
    States,
    averaged,
    call,
    call_times,
    chain,
    find_range,
    quantise,
    states,
)
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.layers import generator
from tasks.nets.policy import take
from tasks.nets.sampling import Call, Plan, Sum
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    same_tensors,
)
from tests.export.samplers import make
from tests.nets.diffusions import diffusion

ROWS = 96


def compressed(policy: DiffusionPolicy, **changed: Any) -> tuple[Any, dict[str, Any]]:
    """By small batches; rows and seeds as the policy has them."""
    given = {"rows": ROWS, "batch": 32, **changed}
    rows = make_rows(ROWS, seeds=tuple(range(policy.seeds)))
    return make_compressor("ptq4dm", **given).compress(policy, rows)


def opened(policy: DiffusionPolicy, k: int, mode: str) -> OnnxPolicy:
    said = {
        "inputs": {n: {"shape": ["batch", w]} for n, w in policy.inputs().items()},
        "carry": {},
    }
    return OnnxPolicy(build_model(policy, k).SerializeToString(), said, mode)


def drawn(
    arm: str = "ndtc", mean: float = 0.4, std: float = 0.4, seed: int = 1
) -> Draw:
    return Draw(arm, mean, std, seed)


def ancestral(policy: DiffusionPolicy, seen: Tensor, noise: Tensor) -> list[Tensor]:
    """DDPM (Ho et al., equations 6, 7) by hand: x of times T-1..0, and the sample."""
    abar, x = [*policy.abar], noise[:, :, 0]
    found = [x]
    for k in reversed(range(len(abar))):
        before = abar[k - 1] if k else 1.0
        said = policy.network(seen, x, torch.tensor([[float(k)]]))
        data = (x - (1 - abar[k]) ** 0.5 * said) / abar[k] ** 0.5
        data = data.clamp(-1, 1)
        alpha = abar[k] / before
        x = before**0.5 * (1 - alpha) * data + alpha**0.5 * (1 - before) * x
        x = x / (1 - abar[k])
        if k:
            variance = (1 - before) / (1 - abar[k]) * (1 - alpha)
            x = x + variance**0.5 * noise[:, :, len(abar) - k]
        found.append(x)
    return [*found[:-1], found[-1].clamp(-1, 1)]


def test_states_are_those_of_the_float_models_own_chain_each_with_its_time():
    """Item 1."""
    policy, rows = take(diffusion(6), 1), make_rows(ROWS).observations
    given = states(policy, rows, drawn())
    seen = policy.normalise(rows[None])
    assert torch.equal(given.observation, seen)
    noise = torch.randn(  # the compressor's own stream
        (1, ROWS, 6, 3), generator=generator(1, "ptq4dm noise")
    )
    met = ancestral(policy, seen, noise)
    assert len(given.time.unique()) == 6
    for i, time in enumerate(given.time[0].long().tolist()):
        wanted = met[5 - time][0, i]  # met[0] is the noisiest, of time 5
        torch.testing.assert_close(given.x[0, i], wanted, rtol=1e-4, atol=1e-5)


def test_the_released_scripts_mismatch_is_an_arm_of_its_own():
    policy, rows = take(diffusion(6), 0), make_rows(ROWS).observations
    right, wrong = (states(policy, rows, drawn(arm)) for arm in ("ndtc", "mismatch"))
    assert torch.equal(right.time, wrong.time)
    noise = torch.randn((1, ROWS, 6, 3), generator=generator(1, "ptq4dm noise"))
    met = ancestral(policy, right.observation, noise)
    for i, time in enumerate(right.time[0].long().tolist()):
        torch.testing.assert_close(
            wrong.x[0, i], met[time + 1][0, i], rtol=1e-4, atol=1e-5
        )
    assert not torch.allclose(right.x, wrong.x, atol=0.1)


def test_times_are_clipped_normal_and_lean_to_the_clean_end():
    """Item 2."""
    times = drawn().times(100_000, 99).double()
    assert (times.min(), times.max()) == (0, 99)

    def below(edge: float) -> float:
        return 0.5 * (1 + math.erf((edge - 40) / 40 / math.sqrt(2)))

    for at in (0, 20, 50, 80):
        share = float((times <= at).double().mean())
        assert share == pytest.approx(below(at + 0.5), abs=0.006)
    assert (times == 0).double().mean() == pytest.approx(below(0.5), abs=0.005)
    assert times.median() == pytest.approx(40, abs=1)
    even = drawn("uniform").times(100_000, 99).double()
    assert even.mean() == pytest.approx(49.5, abs=0.5)
    assert (even == 0).double().mean() == pytest.approx(0.01, abs=0.003)
    for arm, at in (("noisy", 99), ("middle", 50), ("clean", 0)):
        assert drawn(arm).times(5, 99).tolist() == [at] * 5


def lost(v: np.ndarray, end: float, bits: int) -> float:
    """The card's quantiser and error, to both sides of 0."""
    top = 2**bits - 1
    scale = 2 * end / top
    zero = np.round(top / 2)
    rounded = (np.clip(np.round(v / scale) + zero, 0, top) - zero) * scale
    return float((np.abs(v - rounded) ** 2.4).mean())


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_range_is_the_best_of_a_hundred(bits: int):
    """Item 3."""
    v = torch.randn(3, 400, generator=torch.Generator().manual_seed(0)).double() ** 3
    low, high = find_range(v, bits, search=True)
    for row, one, two in zip(v.numpy(), low, high, strict=True):
        ends = np.abs(row).max() * np.arange(1, 101) / 100
        errors = [lost(row, end, bits) for end in ends]
        assert float(two) == pytest.approx(ends[int(np.argmin(errors))])
        assert float(one) == -float(two)
    if bits < 8:
        assert (high < v.abs().amax(1, keepdim=True)).any()  # not min-max
    least, most = find_range(v, bits, search=False)
    assert torch.equal(torch.cat([least, most], 1), torch.stack(v.aminmax(dim=1), 1))


def test_ranges_of_one_sign_are_one_sided_and_hold_zero():
    v = torch.linspace(1, 2, 50)
    low, high = find_range(torch.stack([v, -v, 0 * v]), 4, search=True)
    assert (low[0], high[1]) == (0, 0)
    assert float(high[0]) >= 1.9
    assert float(low[1]) == -float(high[0])
    assert (float(low[2]), float(high[2])) == (0, 1)
    assert find_range(v[None], 4, search=False)[0] == 0
    assert torch.equal(quantise(0 * v[None], low[:1], high[:1], 4), 0 * v[None])


def test_ranges_are_averaged_over_batches():
    batches = [(torch.tensor(-x), torch.tensor(x)) for x in (1.0, 2.0, 3.0)]
    low, high = averaged(batches)
    assert float(high) == pytest.approx(0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 3)
    assert float(low) == -float(high)


def test_weights_are_rounded_to_the_nearest_and_never_trained():
    """Items 3 and 4: a range an output unit; rounding alone."""
    policy = diffusion(4, (0, 1))
    before = {name: x.clone() for name, x in policy.state_dict().items()}
    small, _ = compressed(policy, bits=3)
    assert all(torch.equal(x, before[n]) for n, x in policy.state_dict().items())
    for i, layer in enumerate(small.layers):
        weight = policy.layers[i].weight  # (S, I, N)
        bits = 3 if i == 1 else 8
        assert layer.bits == bits
        assert torch.equal(layer.bias, policy.layers[i].bias[:, 0])
        for k in range(2):
            low, high = find_range(weight[k].T, bits, search=True)
            scale = (high - low).T / (2**bits - 1)
            centre = layer.centre[k].float()
            rounded = (layer.codes[k].float() - centre) * scale
            inside = (weight[k] > low.T) & (weight[k] < high.T)
            off = (rounded - weight[k]).abs()[inside]
            # the range of an even number of codes has no middle: half a step more
            assert (off <= (1.01 * scale.expand_as(weight[k]))[inside]).all()
            steps = layer.scale[k] / layer.step[k][:, None]
            torch.testing.assert_close(steps, scale.expand_as(steps))
    assert {float(s) for s in small.layers[1].scale[0, 0]}.__len__() > 16


def test_inputs_are_calibrated_on_rounded_weights_batch_by_batch():
    policy, rows = take(diffusion(4), 0), make_rows(ROWS).observations
    small, _ = compressed(policy, bits=4, activation_bits=4)
    given = states(policy, rows, drawn(seed=0))
    for i, layer in enumerate(small.layers):  # the float network, weights rounded
        codes = layer.codes.float() - layer.centre[:, None]
        steps = (layer.scale / layer.step[..., None])[:, :1]
        policy.layers[i].weight.copy_(codes * steps)
    ranges = []
    for one in given.batches(32):
        hidden = []
        handle = policy.layers[1].register_forward_pre_hook(
            lambda _, x, hidden=hidden: hidden.append(x[0])
        )
        call(policy, one)
        handle.remove()
        ranges.append(find_range(hidden[0].reshape(1, -1), 4, search=True))
    low, high = averaged(ranges)
    assert float(small.layers[1].step) == pytest.approx(float(high - low) / 15)
    assert int(small.layers[1].zero) == 8
    # state, time and observation have steps of their own
    assert small.layers[0].parts == [3, 16, 11]
    assert len(set(small.layers[0].step[0].tolist())) == 3


@pytest.mark.parametrize("activation", ["mish", "silu", "relu"])
def test_all_products_of_the_file_are_of_whole_numbers(activation: str):
    """Item 5: integer products; activations and the network's output are floats."""
    policy = diffusion(2, hidden=(32, 32), activation=activation)
    small, report = compressed(policy)
    assert report["mode"] == "native"
    assert [layer["bits"] for layer in report["layers"]] == [8, 8, 8]
    assert all(max(layer["error"]) < 0.1 for layer in report["layers"])
    nodes = build_model(small, 0).graph.node
    kinds = Counter(node.op_type for node in nodes)
    assert kinds["MatMulInteger"] == 2 * (3 + 1 + 1)  # three parts, two calls
    assert not kinds.keys() & {"Gemm", "MatMul", "MatMulNBits", "QLinearMatMul"}
    made = {node.output[0]: node for node in nodes}
    for node in nodes:
        if node.op_type == "MatMulInteger":
            source = made[node.input[0]]
            while source.op_type == "Slice":
                source = made[source.input[0]]
            assert source.op_type == "Cast"
            assert source.attribute[0].i == 2  # UINT8
    readers = [n for n in nodes if "step0/layer2.out" in n.input]
    assert [node.op_type for node in readers] == ["Mul"]  # the sampler's sum


def test_a_file_of_few_bits_is_small():
    policy = diffusion(0, (0,), hidden=(256, 256, 256))
    sizes = [len(build_model(policy, 0).SerializeToString())]
    for bits in (8, 4):
        small, report = compressed(policy, bits=bits, activation_bits=bits)
        assert report["bits_nominal"] == bits
        assert [x["bits_stored"] for x in report["layers"]] == [8, bits, bits, 8]
        sizes.append(len(build_model(small, 0).SerializeToString()))
    assert sizes[0] > 3.4 * sizes[1]
    assert sizes[0] > 5.5 * sizes[2]


def test_arms_share_everything_but_the_states():
    """Item 6."""
    policy = diffusion(5, (0,))
    rows = make_rows(ROWS).observations
    made = {arm: compressed(policy, arm=arm)[0] for arm in OWN}
    ndtc = made["ndtc"]
    for arm, small in made.items():
        given = states(take(policy, 0), rows, drawn(arm))
        assert given.x.shape == (1, ROWS, 3)
        assert given.time.shape == (1, ROWS)
        for one, other in zip(small.layers, ndtc.layers, strict=True):
            assert torch.equal(one.codes, other.codes)
            assert (one.bits, one.activation_bits) == (8, 8)
        steps = [torch.equal(small.layers[i].step, ndtc.layers[i].step) for i in (0, 1)]
        assert steps == [arm == "ndtc"] * 2
    plain, _ = compressed(policy, search=False)
    assert not torch.equal(plain.layers[1].codes, ndtc.layers[1].codes)
    noise = states(take(policy, 0), rows, drawn("noise"))
    assert float(noise.x.std()) == pytest.approx(1, abs=0.1)
    actions = torch.rand(ROWS, 3) * 2 - 1
    data = states(take(policy, 0), rows, drawn("data"), actions)
    assert torch.equal(data.x[0], actions)
    diffused = states(take(policy, 0), rows, drawn("diffused"), actions)
    abar = torch.tensor(policy.abar)[diffused.time[0].long()][:, None]
    wanted = abar.sqrt() * actions + (1 - abar).sqrt() * noise.x[0]
    torch.testing.assert_close(diffused.x[0], wanted)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("sampler", ["", "ddim", "unipc", "deis", "dc_solver"])
def test_it_passes_parity_under_every_sampler(sampler: str, bits: int):
    """Item 7."""
    policy = diffusion(8, (0, 1), gain=1.5)
    small, _ = compressed(policy, bits=bits, activation_bits=bits)
    alone = take(small, 1)
    rows = make_rows(1000).observations
    if sampler:
        plan, _ = make(sampler).fitted(alone, 5, rows)
        alone = alone.with_plan(plan)
    draw = np.random.default_rng(0)
    for mode in ("exact", "native"):
        graph = opened(alone, 0, mode)
        told = check_parity(Path("f"), alone, 0, graph, rows.numpy(), draw, 1e-4)
        assert told["max"] <= 1e-6  # batches of 1, 2, 7 and 17
    given = {
        "observation": rows[:5].numpy(),
        "noise": draw.standard_normal((5, alone.inputs()["noise"]), np.float32),
    }
    got = graph.step(given, {})[0]["action"]
    stacked = {name: torch.from_numpy(x)[None] for name, x in given.items()}
    wanted = alone.step(stacked, {})[0]["action"][0].numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert len({tuple(x) for x in got.round(3).tolist()}) > 2


def test_one_call_of_a_flow_is_a_chain_of_one_state():
    policy = diffusion(0)
    small, report = compressed(policy)
    assert "1 times" in report["calibration"]["what"]
    given = states(take(policy, 0), make_rows(ROWS).observations, drawn())
    assert (given.time == 1).all()
    graph, draw = opened(small, 0, "native"), np.random.default_rng(0)
    probes = make_rows(1000).observations.numpy()
    assert check_parity(Path("f"), small, 0, graph, probes, draw, 1e-4)["max"] <= 1e-6


def test_eight_bits_act_nearly_as_float_and_fewer_less_so():
    policy, rows = diffusion(5, gain=1.5), make_rows(200)
    noise = torch.randn(3, 200, policy.inputs()["noise"])
    seen = rows.observations.expand(3, -1, -1)
    wanted = policy(seen, noise)
    off = [
        float((compressed(policy, bits=b, activation_bits=b)[0](seen, noise) - wanted)
              .abs().mean())
        for b in (8, 6, 4, 2)
    ]  # fmt: skip
    assert off[0] < 0.02
    assert off == sorted(off)


def test_seed_k_alone_is_seed_k_of_the_stack():
    policy, compressor = diffusion(3), make_compressor("ptq4dm", rows=ROWS, batch=32)
    stacked, _ = compressor.compress(policy, make_rows(ROWS))
    again, _ = compressor.compress(policy, make_rows(ROWS))
    alone, _ = compressor.compress(take(policy, 1), make_rows(ROWS, seeds=(1,)))
    assert same_tensors(take(stacked, 1), alone)  # type: ignore[arg-type]
    assert same_tensors(stacked, again)


def test_it_comes_back_from_its_files(tmp_path: Path):
    small, _ = compressed(diffusion(3), bits=4)
    save_policy(tmp_path, small, {"seeds": [0, 1, 2]})
    again, _ = load_policy(tmp_path)
    given, carry = make_rows(9).situation(small)
    stacked = {name: x.expand(3, *x.shape) for name, x in given.items()}
    one, two = (p.step(stacked, carry)[0]["action"] for p in (small, again))
    assert torch.equal(one, two)


def bent(policy: DiffusionPolicy, what: str) -> DiffusionPolicy:
    """A policy whose chain is not one."""
    if what == "no schedule":
        policy.abar = ()
        return policy
    if what == "nan":
        policy.layers[0].bias.fill_(torch.nan)
        return policy
    times = {"outside": (7.0, 0.0), "rising": (0.0, 2.0)}[what]
    steps = [
        Call(f"d{i}", "noise0", t, 0.5, 0.8, "data", clip=True)
        for i, t in enumerate(times)
    ]
    return policy.with_plan(Plan("odd", (*steps, Sum("action", (("d1", 1.0),))), 1))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no schedule", "predicts noise without a noise schedule"),
        ("outside", r"calls at times \[7.0, 0.0\], expected .*times 4..0"),
        ("rising", "which do not fall"),
        ("nan", "NaN or infinity in 80 of 96"),
    ],
)
def test_a_broken_chain_is_refused(what: str, message: str):
    with pytest.raises(RefusedError, match=message):
        compressed(bent(diffusion(5), what))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": 200, "batch": 256}, "rows: found 200, expected at least a batch"),
        ({"bits": 1}, r"bits: found 1, expected \[2, 8\]"),
        ({"activation_bits": 9}, r"activation_bits: found 9, expected \[2, 8\]"),
        ({"std": 0.0}, "std: found 0.0"),
        ({"arm": "data"}, "arm: found 'data', expected one of ndtc, uniform"),
    ],
)
def test_bad_parameters_are_refused(changed: dict[str, Any], message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("ptq4dm", **changed)


def test_fewer_rows_than_a_batch_are_refused():
    with pytest.raises(RefusedError, match="rows: found 20, expected at least a batch"):
        make_compressor("ptq4dm").compress(diffusion(2), make_rows(20))


def test_times_that_lean_to_the_noise_are_warned_of_and_held_back():
    with pytest.warns(UserWarning, match="0.7 contradicts the method"):
        made, report = compressed(diffusion(5), mean=0.7)
    assert "mean 0.5 T" in report["calibration"]["what"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half, _ = compressed(diffusion(5), mean=0.5)
    assert same_tensors(made, half)


def test_a_condition_of_another_width_is_refused():
    with pytest.raises(RefusedError, match=r"\(96, 5\), expected \(rows, 11\)"):
        make_compressor("ptq4dm", rows=ROWS, batch=32).compress(
            diffusion(2), make_rows(ROWS, width=5)
        )


@pytest.mark.parametrize("said", [None, "x0"])
def test_a_network_that_does_not_say_what_it_predicts_is_refused(
    said: str | None, tmp_path: Path
):
    save_policy(tmp_path, diffusion(2), {"seeds": [0, 1, 2]})
    spec = json.loads((tmp_path / "policy.json").read_text("utf-8"))
    if said is None:
        del spec["policy"]["kind"]
    else:
        spec["policy"]["kind"] = said
    (tmp_path / "policy.json").write_text(json.dumps(spec))
    with pytest.raises(RefusedError, match="kind"):
        load_policy(tmp_path)


def test_policies_without_a_chain_are_refused():
    with pytest.raises(RefusedError, match="found Feedforward, expected one PTQ4DM"):
        make_compressor("ptq4dm").compress(make_policy(), make_rows(512))


def test_a_second_rounding_is_refused():
    small, _ = compressed(diffusion(2))
    with pytest.raises(RefusedError, match="IntegerLinear"):
        compressed(small)


def test_the_chain_is_the_plans():
    policy, rows = take(diffusion(4), 0), make_rows(7).observations
    assert call_times(policy) == [3, 2, 1, 0]
    noise = torch.randn(1, 7, 4, 3)
    met = chain(policy, policy.normalise(rows[None]), noise)
    assert torch.equal(met[0], noise[:, :, 0])
    action = met[-1] * policy.action_scale + policy.action_offset
    assert torch.equal(action, policy(rows[None], noise.flatten(2)))
    rest = States(met[0], met[0], torch.zeros(1, 7)).batches(3)
    assert [part.x.shape[1] for part in rest] == [3, 3]
