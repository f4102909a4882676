"""The diffusion policy: its network, its plan, its file."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.diffusion import DiffusionPolicy, TimeEmbedding, one_step
from tasks.nets.policy import stack, take
from tasks.nets.sampling import Call, Plan, Sum, ddpm, run, variance_preserving
from tests.nets.diffusions import diffusion
from tests.variant_files import world, write

B, O, A = 7, 11, 3  # noqa: E741 - widths


def given(policy: DiffusionPolicy, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    observation = 2 * torch.randn(policy.seeds, B, O, generator=draw)
    width = policy.inputs()["noise"]
    return observation, torch.randn(policy.seeds, B, width, generator=draw)


def test_an_embedding_is_sines_and_cosines_through_two_layers():
    made = TimeEmbedding(2, 16, "mish")
    for layer in made.layers:
        layer.initialise([torch.Generator().manual_seed(i) for i in range(2)])
    time = torch.tensor([[0.0, 3.7, 100.0]])
    found = made(time)
    rates = [10_000 ** (-i / 7) for i in range(8)]
    for k in range(2):
        for j, t in enumerate(time[0].tolist()):
            told = [f(t * r) for f in (math.sin, math.cos) for r in rates]
            x = torch.tensor(told, dtype=torch.float64)
            first, second = made.layers
            x = x @ first.weight[k].double() + first.bias[k, 0].double()
            x = x * torch.tanh(torch.log1p(torch.exp(x)))
            x = x @ second.weight[k].double() + second.bias[k, 0].double()
            torch.testing.assert_close(found[k, j].double(), x, atol=1e-5, rtol=0)


def test_the_network_is_told_state_time_and_observation():
    for policy in (diffusion(3), diffusion(0)):
        observation, noise = given(policy)
        o, x = policy.normalise(observation), noise[..., :A]
        times = [torch.full((1, 1), 0.4), torch.full((1, 1), 0.1)]
        times = times[: len(policy.embeddings)]
        said = policy.network(o, x, *times)
        scaled = policy.time_scale
        parts = [
            e(t * scaled).expand(-1, B, -1)
            for e, t in zip(policy.embeddings, times, strict=True)
        ]
        y = torch.cat([x, *parts, o], -1).double()
        for i, layer in enumerate(policy.layers):
            y = y @ layer.weight.double() + layer.bias.double()
            y = torch.nn.functional.mish(y) if i < len(policy.layers) - 1 else y
        torch.testing.assert_close(said.double(), y, atol=1e-4, rtol=1e-5)
        other = policy.network(o, x, *(t + 0.2 for t in times))
        assert (other - said).abs().amax((1, 2)).min() > 1e-3


def test_the_noises_lie_side_by_side():
    policy = diffusion(3)
    observation, noise = given(policy)
    assert policy.inputs() == {"observation": O, "noise": 3 * A}
    parts = [noise[..., i * A : (i + 1) * A] for i in range(3)]

    def call(x: torch.Tensor, time: float) -> torch.Tensor:
        o = policy.normalise(observation)
        return policy.network(o, x, torch.full((1, 1), time))

    wanted = run(policy.plan, call, "noise", parts).clamp(-1, 1)
    wanted = wanted * policy.action_scale + policy.action_offset
    torch.testing.assert_close(policy(observation, noise), wanted)
    zero = policy(observation, torch.zeros_like(noise))
    assert torch.equal(policy(observation), zero)
    assert not torch.allclose(policy(observation, noise), zero, atol=0.1)


def test_actions_lie_inside_the_bounds():
    for policy in (diffusion(3, gain=20.0), diffusion(0, gain=20.0)):
        action = policy(*given(policy))
        assert action.min() == -2
        assert action.max() == 1


def test_one_step_is_noise_less_the_average_velocity():
    policy = diffusion(0, gain=0.5)
    observation, noise = given(policy)
    u = policy.network(
        policy.normalise(observation), noise, torch.ones(1, 1), torch.zeros(1, 1)
    )
    wanted = (noise - u).clamp(-1, 1) * policy.action_scale + policy.action_offset
    torch.testing.assert_close(policy(observation, noise), wanted)
    assert policy.calls == 1


def test_another_plan_shares_the_tensors():
    policy = diffusion(5)
    abar = variance_preserving(5)
    short = Plan(
        "first",
        (
            Call("data", "noise0", 4.0, abar[4] ** 0.5, (1 - abar[4]) ** 0.5, "data"),
            Sum("action", (("data", 1.0),)),
        ),
        1,
    )
    other = policy.with_plan(short)
    assert other.inputs()["noise"] == A
    assert (policy.calls, other.calls) == (5, 1)
    state = other.state_dict()
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert other.layers[0].weight is policy.layers[0].weight
    assert other(given(policy)[0]).shape == (3, B, A)


@pytest.mark.parametrize("steps", [0, 4])
def test_it_survives_disk_and_stacking(steps: int, tmp_path: Path):
    policy = diffusion(steps)
    save_policy(tmp_path, policy, {})
    again, _ = load_policy(tmp_path)
    observation, noise = given(policy)
    acted = policy(observation, noise)
    assert torch.equal(again(observation, noise), acted)
    alone = [take(policy, k) for k in range(3)]
    for k in (0, 2):
        one = alone[k](observation[k : k + 1], noise[k : k + 1])
        torch.testing.assert_close(one[0], acted[k], atol=1e-6, rtol=0)
    assert torch.equal(stack(alone)(observation, noise), acted)


@pytest.mark.parametrize("activation", ["mish", "silu", "relu"])
@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.filterwarnings("ignore:OFQL differentiates")
def test_its_file_passes_the_gate(steps: int, activation: str):
    policy = diffusion(steps, activation=activation)
    rows = np.random.default_rng(1).standard_normal((1000, O)).astype(np.float32)
    for k in (0, 2):
        data = build_model(policy, k).SerializeToString()
        said = {
            "inputs": {n: {"shape": ["batch", w]} for n, w in policy.inputs().items()},
            "carry": {},
        }
        opened = OnnxPolicy(data, said, "exact")
        draw = np.random.default_rng(0)
        found = check_parity(Path("f"), policy, k, opened, rows, draw, 1e-4)
        assert found["max"] < 5e-5  # torch itself is 2e-5 from float64
        other = (k + 1) % 3
        with pytest.raises(RefusedError, match="a difference of"):
            check_parity(Path("f"), policy, other, opened, rows, draw, 1e-4)


def test_weights_stand_in_the_file_once_and_times_are_constants():
    for steps, calls in ((0, 1), (5, 5)):
        graph = build_model(diffusion(steps), 1).graph
        kinds = Counter(node.op_type for node in graph.node)
        assert kinds["Gemm"] == 3 * calls + 1  # of the observation, once
        assert not {"Sin", "Cos", "Concat"} & kinds.keys()
        matrices = [list(t.dims) for t in graph.initializer if len(t.dims) == 2]
        assert matrices == [[11, 32], [3, 32], [32, 32], [32, 3]]
        held = {t.name for t in graph.initializer}
        assert (f"s{2 * calls - 2}t" in held) == (calls > 1)  # what the last time adds


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"kind": "colour"}, "unknown kind"),
        ({"activation": "sign"}, "unknown kind 'noise' or activation 'sign'"),
        ({"embeddings": []}, "0 time embeddings"),
        ({"plan": one_step()}, "one_step wants velocity of a noise network"),
        ({"kind": "velocity"}, "ddpm wants data of a velocity network"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict, match: str):
    policy = diffusion(2)
    told = {
        "layers": list(policy.layers),
        "embeddings": list(policy.embeddings),
        "plan": ddpm(variance_preserving(2)),
        "kind": "noise",
        "abar": (),
        "time_scale": 1.0,
        "activation": "mish",
    }
    bounds = torch.ones(O), torch.ones(O), -torch.ones(A), torch.ones(A)
    with pytest.raises(ValueError, match=match):
        DiffusionPolicy(*(told | changes).values(), *bounds)


def test_its_contract_asks_for_noise(tmp_path: Path):
    where = world("pendulum")
    made = diffusion(3, (0,), observation=3, action=1)
    (path,) = write(tmp_path, made, where, "float32")
    opened = OnnxPolicy.open(path)
    assert opened.acting == "normal"
    assert opened.contract["inputs"]["noise"] == {
        "shape": ["batch", 3],
        "dtype": "float32",
        "acting": "normal",
    }
    del opened.contract["inputs"]["noise"]["acting"]
    assert opened.acting == "zero"
