"""What PTQ4DM's claim looks at, and the bed that makes its arms."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.beds.ptq4dm.networks import (
    ARMS,
    data,
    distance,
    drawn,
    fresh_states,
    near_and_mean,
    noise_errors,
    quantiles,
    sampled,
    trained,
)
from tasks.beds.ptq4dm.rounding import Rounded, Rounding, find_ends, rounded
from tasks.claims import GATES
from tasks.claims.engine.results import Results
from tasks.claims.ptq4dm import cells_of, farther, gap, operating_point
from tasks.compress.ptq4dm.ranges import find_range, quantise
from tasks.compress.ptq4dm.states import Draw, call, call_times, states
from tasks.nets.policy import take
from tests.beds.harness import bed, block, claim, made_up, results, run
from tests.nets.diffusions import diffusion

SMALL: dict[str, Any] = {
    "networks": [5, 9],
    "calibrations": [6, 7],
    "network": block("ptq4dm")["network"] | {"actor_hidden": [12, 12], "steps": 12},
    "updates": 20,
    "batch": 32,
    "states": 48,
    "calls": 6,
    "second_calls": 4,
    "samples": 40,
    "chains": 8,
    "redraws": 2,
}


DDIM = block("ptq4dm")["samplers"]["ddim"]


def settings(hidden: tuple[int, ...] = (12, 12), **changed: Any) -> Any:
    network = SMALL["network"] | {"actor_hidden": list(hidden)}
    return bed("ptq4dm", **(SMALL | {"network": network} | changed)).params.settings()


DRAW = Draw("ndtc", 0.4, 0.4, 1)
NEAR = {"ndtc": 0.2, "noise": 0.4, "clean": 0.1}  # errors near t = 0 at 6 bits


def left(**changed: float) -> Any:
    """What the bed might leave: errors are half at 8 bits, at 4 bits ten times."""
    errors, draw = {**NEAR, **changed}, np.random.default_rng(0)
    made = bed("ptq4dm", bits=[8, 6, 4])
    size = (len(made.params.networks), len(made.params.calibrations))
    jobs: dict[str, Any] = {}
    for job in made.jobs():
        arm, bits = job.settings.get("arm"), job.settings.get("bits")
        if bits is None:
            floats = {"ddim": [[0.1, 0.2]] * size[0], "unipc": [[0.1, 0.2]] * size[0]}
            inputs = {f"layer 1 at t = {t}": [-1.0, 0, 2] for t in (1, 19, 9)}
            jobs[job.name] = job.settings, {"floats": floats, "inputs": inputs}
            continue
        mean = errors.get(arm, 0.3) * {8: 0.5, 6: 1, 4: 10}[bits]
        tables = {
            name: (mean * np.exp(0.02 * draw.normal(size=size))).tolist()
            for name in ("near", "mean", "ddim", "unipc")
        }
        jobs[job.name] = job.settings, tables
    return made_up(vars(made.params), jobs)


def test_bits_are_the_fewest_at_which_ndtc_errs_little():
    assert operating_point(cells_of(left()), [8, 6, 4]) == 6
    assert operating_point(cells_of(left(ndtc=0.04)), [8, 6, 4]) == 4
    assert operating_point(cells_of(left(ndtc=0.8)), [8, 6, 4]) == 8
    assert operating_point(cells_of(left(ndtc=2.0)), [8, 6, 4]) == 8


def test_errors_are_compared_by_their_ratio_a_network():
    cells = cells_of(left())
    figure = gap(cells, "noise", "ndtc", 6)
    assert figure.value == pytest.approx(np.log(2), abs=0.02)
    assert figure.low < figure.value < figure.high
    assert figure.n == len(bed("ptq4dm").params.networks)
    assert farther(cells, "data", "ndtc", 6).value == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "verdict", "kind"),
    [
        ({}, "shown", ""),
        ({"noise": 0.19}, "not shown", ""),
        ({"clean": 1.2}, "bed refused", "competence"),
        ({"clean": 0.5}, "bed refused", "headroom"),
        ({"noise": 1.2}, "bed refused", "range"),
    ],
)
def test_the_verdict_and_each_gate(
    changed: dict[str, float],
    verdict: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Results, "bed", lambda *_: left(**changed))
    outcome = claim("ptq4dm").outcome(Results({}))
    assert outcome.verdict == verdict
    assert any(words.startswith(kind) for words in outcome.refused) == bool(kind)


def test_its_claim_looks_at_the_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = run("ptq4dm", tmp_path, monkeypatch, **SMALL, bits=[4])
    assert [job.settings.get("arm") for job in made.jobs] == [None, *ARMS]
    network, *arms = made.jobs
    for job in arms:
        assert set(job.result) == {"near", "mean", "ddim", "unipc"}
        for table in job.result.values():
            assert np.array(table).shape == (2, 2)
            assert np.isfinite(table).all()
    assert len({str(job.result["mean"]) for job in arms}) == len(ARMS)
    assert np.array(network.result["floats"]["unipc"]).shape == (2, 2)
    assert len(network.result["inputs"]) == 9  # three layers, three times
    outcome = claim("ptq4dm", n=2).outcome(results(tmp_path / "data"))
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    names = [figure.name for figure in outcome.figures]
    assert len(set(names)) == len(names)


def test_the_authors_round_outputs_but_neither_the_state_nor_the_last():
    policy, rows = take(diffusion(4), 0), torch.randn(64, 11)
    seen = states(policy, rows, DRAW)
    small = rounded(policy, seen, 64, Rounding(3, search=True, placement="output"))
    layers: list[Rounded] = list(small.layers)
    assert all(not layer.reads for layer in layers)
    assert [layer.writes is None for layer in layers] == [False] * 2 + [True]
    assert [layer.bits for layer in layers] == [8, 3, 8]
    x = torch.randn(1, 50, layers[1].linear.inputs)
    assert len(layers[1](x).unique()) <= 2**3
    plain = policy.layers[1].weight
    gap = (layers[1].linear.weight - plain).abs().amax()
    assert 0 < gap < plain.abs().amax() / 100


def test_as_a_file_inputs_are_rounded_but_not_the_state():
    policy, rows = take(diffusion(4), 0), torch.randn(64, 11)
    seen = states(policy, rows, DRAW)
    small = rounded(policy, seen, 64, Rounding(4, search=True, placement="input"))
    layers: list[Rounded] = list(small.layers)
    assert all(layer.writes is None for layer in layers)
    widths, ends = zip(*layers[0].reads, strict=True)
    assert widths == (3, 16, 11)
    assert [end is None for end in ends] == [True, False, False]
    assert [len(layer.reads) for layer in layers] == [3, 1, 1]
    x = torch.zeros(1, 1, 30)
    moved = x.clone()
    moved[..., 0] += 1e-4  # of the state
    assert not torch.equal(layers[0](x), layers[0](moved))
    same = x.clone()
    same[..., 20] += 1e-6  # of the observation
    assert torch.equal(layers[0](x), layers[0](same))


def test_both_ends_of_a_range_are_searched():
    """As Mish leaves them: a short side below 0, a long one above."""
    v = torch.nn.functional.mish(torch.randn((1, 4000), generator=_draw()))
    found, symmetric = find_ends(v, 4), find_range(v, 4, search=True)
    low, high = (float(end) for end in found)
    assert -0.4 < low < 0
    assert high > 1
    lost = [
        float((v - quantise(v, *ends, 4)).abs().pow(2.4).mean())
        for ends in (found, symmetric)
    ]
    assert lost[0] < 0.5 * lost[1]
    silent = find_ends(torch.zeros(1, 5), 4)
    assert [float(end) for end in silent] == [0, 1]


def _draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_network_learns_the_ring():
    own = {"batch": 128, "hidden": (32, 32), "rate": 5e-3, "samples": 1000}
    given = settings(**own)
    some, none = (trained(settings(**own, updates=n)) for n in (150, 1))
    floor = distance(data(1000, 1), data(1000, 2))
    far = []
    for policy in (some, none):
        by = sampled(take(policy, 0), "ddim", DDIM, 6)
        with torch.no_grad():
            far.append(distance(drawn(by, given, 0), data(1000, 1)))
    assert floor < far[0] < 0.7 * far[1]


def test_errors_are_relative_and_by_time():
    policy = take(diffusion(4), 0)
    rows = torch.randn(9, 11)
    fresh = fresh_states(policy, rows, 3)
    assert fresh.time[0].tolist() == sorted([0.0, 1, 2, 3] * 9, reverse=True)
    seen = states(policy, rows.repeat(4, 1), DRAW)
    small = rounded(policy, seen, 36, Rounding(4, search=True, placement="output"))
    errors = noise_errors(policy, small, fresh)
    wanted, got = (call(one, fresh)[0] for one in (policy, small))
    last = slice(27, None)  # of time 0
    off = (got[last] - wanted[last]).norm() / wanted[last].norm()
    assert errors[-1] == pytest.approx(float(off))
    near, mean = near_and_mean(errors)
    assert near == pytest.approx(float(errors[-1]))
    assert mean == pytest.approx(float(errors.mean()))
    assert noise_errors(policy, policy, fresh).max() == 0
    told = quantiles(policy, fresh)
    assert list(told)[:3] == [f"layer 0 at t = {t}" for t in (3, 1, 0)]
    assert all(one[0] < one[1] < one[2] for one in told.values())
    assert call_times(sampled(policy, "ddim", DDIM, 2)) == [3, 1]


def test_the_distance_is_that_of_shifted_clouds():
    cloud = data(4000, 0)
    assert distance(cloud, cloud) == 0
    shifted = distance(cloud, cloud + torch.tensor([0.3, 0.0]))
    assert shifted == pytest.approx(0.3 * 2 / math.pi, rel=0.01)  # mean |cos|


def test_data_are_eight_clusters_on_a_ring():
    found = data(8000, 1)
    assert found.norm(dim=1).mean() == pytest.approx(0.7, abs=0.01)
    angle = torch.atan2(found[:, 1], found[:, 0]) / (math.tau / 8)
    modes = torch.bincount(angle.round().long() % 8, minlength=8)
    assert modes.min() > 850
    assert torch.equal(found, data(8000, 1))
