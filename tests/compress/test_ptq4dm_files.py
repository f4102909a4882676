"""What PTQ4DM's files hold, under which samplers they act, and what it refuses."""

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.artifacts.sealed import write_sealed
from tasks.compress.ptq4dm.states import states
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import take
from tasks.nets.sampling import Call, Plan, Sum
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    same_tensors,
)
from tests.compress.ptq4dm_policies import ROWS, compressed, drawn, opened
from tests.export.samplers import make
from tests.nets.diffusions import diffusion


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
    assert kinds["MatMulInteger"] == 1 + 2 * (2 + 1 + 1)  # of the observation, once
    assert not kinds.keys() & {"Gemm", "MatMul", "MatMulNBits", "QLinearMatMul"}
    made = {node.output[0]: node for node in nodes}
    for node in nodes:
        if node.op_type == "MatMulInteger":
            source = made[node.input[0]]
            while source.op_type == "Slice":
                source = made[source.input[0]]
            assert source.op_type == "Cast"
            assert source.attribute[0].i == 2  # UINT8
    last = [n for n in nodes if n.op_type == "MatMulInteger"][4]  # of the first call
    for op in ("Cast", "Mul", "Add", "Mul"):  # float64, scale, bias, the sampler's sum
        (last,) = (n for n in nodes if last.output[0] in n.input)
        assert last.op_type == op


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
    given = make_rows(9).situation(small)
    one, two = (p.step(*given)[0]["action"] for p in (small, again))
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
    write_sealed(tmp_path / "policy.json", spec)
    with pytest.raises(RefusedError, match="kind"):
        load_policy(tmp_path)


def test_policies_without_a_chain_are_refused():
    with pytest.raises(RefusedError, match="found Feedforward, expected one PTQ4DM"):
        make_compressor("ptq4dm").compress(make_policy(), make_rows(512))


def test_a_second_rounding_is_refused():
    small, _ = compressed(diffusion(2))
    with pytest.raises(RefusedError, match="IntegerLinear"):
        compressed(small)
