"""PTQ4DM: where its states come from, and how its ranges are found."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.seeding import generator
from tasks.compress.ptq4dm.ranges import averaged, find_range, quantise
from tasks.compress.ptq4dm.states import OWN, States, call, call_times, chain, states
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import take
from tests.compress.harness import make_rows
from tests.compress.ptq4dm_policies import ROWS, compressed, drawn
from tests.nets.diffusions import diffusion


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
