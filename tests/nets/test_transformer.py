"""The Decision Transformer as a policy: masks, context, ONNX."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.policy import Logged, stack, take
from tasks.nets.transformer import DecisionTransformer
from tests.artifacts.test_onnx_policy import ORIGIN
from tests.nets.transformers import transformer


def start(policy: DecisionTransformer, batch: int) -> dict[str, Tensor]:
    return {
        name: torch.full((policy.seeds, batch, *entry.shape), entry.reset)
        for name, entry in policy.carry().items()
    }


def episodes(steps: int, batch: int = 3) -> tuple[Tensor, Tensor]:
    """Observations (T, B, 3) and rewards of the step before (T, B, 1)."""
    draw = torch.Generator().manual_seed(0)
    observation = torch.randn(steps, batch, 3, generator=draw)
    reward = torch.randn(steps, batch, 1, generator=draw)
    reward[0] = 0
    return observation, reward


def rollout(
    policy: DecisionTransformer, observation: Tensor, reward: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Actions (T, S, B, A) and the last carry."""
    carry, actions = start(policy, observation.shape[1]), []
    for o, r in zip(observation, reward, strict=True):
        given = {"observation": o, "reward": r}
        outputs, carry = policy.step(
            {k: x.expand(policy.seeds, *x.shape) for k, x in given.items()}, carry
        )
        actions.append(outputs["action"])
    return torch.stack(actions), carry


def plain(policy: DecisionTransformer, k: int, rows: list[Tensor]) -> Tensor:
    """One sequence of slice k in float64, written down token by token.

    Args:
        policy: One head.
        k: The slice.
        rows: Returns (K, 1), observations, actions and timesteps (K,).
    """
    t = {n: p.detach()[k].double() for n, p in policy.named_parameters()}
    *parts, time = rows
    tokens = []
    for i in range(len(time)):
        embedded = t["embed_time.weight"][int(time[i])]
        for name, part in zip(("return", "observation", "action"), parts, strict=True):
            weight, bias = t[f"embed_{name}.weight"], t[f"embed_{name}.bias"]
            tokens.append(part[i].double() @ weight + bias[0] + embedded)

    def norm(x: Tensor, name: str) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * t[f"{name}.weight"][0] + t[f"{name}.bias"][0]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ t[f"{name}.weight"] + t[f"{name}.bias"][0]

    x = norm(torch.stack(tokens), "norm")
    for i in range(len(policy.blocks)):
        b = f"blocks.{i}"
        h = norm(x, f"{b}.norm1")
        if i == len(policy.blocks) - 1:
            h = torch.cat([linear(h, f"{b}.query"), linear(h, f"{b}.project")], 1)
        else:
            h = linear(h, f"{b}.project")
        q, key, v = h.chunk(3, dim=1)
        mixed = []
        for j in range(len(x)):
            scores = key[: j + 1] @ q[j] / q.shape[1] ** 0.5
            mixed.append(scores.softmax(0) @ v[: j + 1])
        x = x + linear(torch.stack(mixed), f"{b}.out")
        h = linear(norm(x, f"{b}.norm2"), f"{b}.up")
        h = 0.5 * h * (1 + torch.erf(h / 2**0.5))
        x = x + linear(h, f"{b}.down")
    return torch.tanh(linear(norm(x, "norm_out"), "head"))[1::3]


@pytest.mark.parametrize("k", [0, 1])
def test_predictions_are_the_equations(k: int):
    policy = transformer()
    draw = torch.Generator().manual_seed(1)
    rows = [torch.randn(2, 5, 4, n, generator=draw) for n in (1, 3, 1)]
    time = torch.randint(0, 36, (2, 5, 1), generator=draw) + torch.arange(4)
    found = policy.predict(*rows, time)
    for b in range(5):
        wanted = plain(policy, k, [x[k, b] for x in rows] + [time[k, b]])
        torch.testing.assert_close(found[k, b].double(), wanted, atol=1e-5, rtol=0)


def test_two_heads_attend_apart():
    """Heads are halves of the width: with the second one's values 0 it gives 0."""
    one, two = transformer(heads=1), transformer(heads=2)
    two.load_state_dict(one.state_dict())
    rows = [torch.ones(2, 1, 4, n) * torch.arange(4.0)[:, None] for n in (1, 3, 1)]
    time = torch.arange(4).expand(2, 1, 4)
    assert not torch.allclose(one.predict(*rows, time), two.predict(*rows, time))
    for policy in (one, two):
        for block in policy.blocks:  # no scores: both heads take the mean
            block.project.weight[..., : -policy.width] = 0
            if block.last:
                block.query.weight.zero_()
    torch.testing.assert_close(one.predict(*rows, time), two.predict(*rows, time))


def test_a_prediction_ignores_its_own_action_and_all_that_is_later():
    policy = transformer()
    rows = [torch.randn(2, 3, 4, n) for n in (1, 3, 1)]
    time = torch.arange(4).expand(2, 3, 4)
    before = policy.predict(*rows, time)
    for t in range(4):
        for part, first in zip(rows, (t + 1, t + 1, t), strict=True):
            changed = [x.clone() for x in rows]
            at = next(i for i, x in enumerate(rows) if x is part)
            changed[at][:, :, first:] += 5
            after = policy.predict(*changed, time)
            assert torch.equal(after[:, :, : t + 1], before[:, :, : t + 1])
            if first < 3:
                assert not torch.allclose(after[:, :, 3], before[:, :, 3])


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_step_is_a_prediction_on_its_window(blocks: int):
    """Left-padded in the carry, right-padded in training: the same actions."""
    policy = transformer(blocks=blocks, timesteps=6)
    observation, reward = episodes(9)
    actions, _ = rollout(policy, observation, reward)
    returns = 0.3 - 0.01 * reward.cumsum(0)
    o = policy.normalise(observation)
    for t in range(9):
        first = max(0, t - 3)
        held = 4 - (t + 1 - first)

        def window(
            x: Tensor, first: int = first, t: int = t, held: int = held
        ) -> Tensor:
            part = x[first : t + 1].movedim(0, -2)
            part = part if part.ndim == 4 else part.expand(2, *part.shape)
            return functional.pad(part, (0, 0, 0, held), value=7.0)

        time = (first + torch.arange(4)).clamp(max=5).expand(2, 3, 4)
        found = policy.predict(window(returns), window(o), window(actions / 2), time)
        torch.testing.assert_close(
            2 * found[:, :, t - first], actions[t], atol=1e-5, rtol=0
        )


def test_what_is_hidden_does_not_matter():
    policy = transformer()
    observation, reward = episodes(3)
    given = {"observation": observation[0], "reward": reward[0]}
    given = {k: x.expand(2, *x.shape) for k, x in given.items()}
    carry = start(policy, 3)
    clean, _ = policy.step(given, carry)
    for name in ("observations", "actions", "returns"):
        carry[name] += 1e3
    dirty, _ = policy.step(given, carry)
    assert torch.equal(clean["action"], dirty["action"])
    carry["timestep"] += 2  # two steps are seen now
    seen, _ = policy.step(given, carry)
    assert not torch.allclose(clean["action"], seen["action"])


@pytest.mark.parametrize(("heads", "blocks"), [(1, 1), (2, 3)])
def test_the_onnx_step_is_the_policys(heads: int, blocks: int):
    policy = transformer(heads=heads, blocks=blocks, timesteps=8)
    observation, reward = episodes(12)
    wanted, last = rollout(policy, observation, reward)
    for k in range(2):
        model = build_model(policy, k)
        assert {node.domain for node in model.graph.node} == {""}
        assert model.opset_import[0].version == 21
        contract = contract_of(policy, k, ORIGIN, "exact")
        opened = OnnxPolicy(model.SerializeToString(), contract, "exact")
        carry = opened.reset(3)
        assert carry["return_to_go"].ravel() == pytest.approx([0.3] * 3)
        for t in range(12):
            given = {"observation": observation[t].numpy(), "reward": reward[t].numpy()}
            outputs, carry = opened.step(given, carry)
            np.testing.assert_allclose(
                outputs["action"], wanted[t, k].numpy(), atol=1e-5
            )
        for name, value in carry.items():
            np.testing.assert_allclose(value, last[name][k].numpy(), atol=1e-5)


def test_recalled_situations_are_those_of_the_episode():
    """Logged actions and rewards that were the policy's own give its own carry."""
    policy = transformer(seeds=(0,))
    observation, reward = episodes(7)
    actions, carry = rollout(policy, observation[:6], reward[:6])
    received = torch.cat([reward[1:], torch.tensor([[[3.0]] * 3]) / 2])  # (7, B, 1)
    to_go = 30 - torch.cat([torch.zeros(1, 3, 1), received[:-1].cumsum(0)])
    logged = Logged(
        observation[3:].movedim(0, 1),
        functional.pad(actions[3:, 0].movedim(0, 1), (0, 0, 0, 1)),
        received[3:, :, 0].T,
        to_go[3:, :, 0].T,
        torch.full((3,), 6.0),
    )
    inputs, recalled = policy.recall(logged)
    assert torch.equal(inputs["observation"], observation[6])
    assert torch.equal(inputs["reward"], reward[6])
    assert recalled.keys() == carry.keys()
    for name, value in recalled.items():
        torch.testing.assert_close(value, carry[name][0], atol=1e-5, rtol=0)


def test_it_comes_back_from_disk_and_apart(tmp_path: Path):
    policy = transformer()
    save_policy(tmp_path, policy, {"seeds": [0, 1]})
    loaded, _ = load_policy(tmp_path)
    observation, reward = episodes(5)
    wanted, _ = rollout(policy, observation, reward)
    for other in (loaded, stack([take(policy, 0), take(policy, 1)])):
        assert isinstance(other, DecisionTransformer)
        assert other.spec() == policy.spec()
        assert torch.equal(rollout(other, observation, reward)[0], wanted)


def test_layers_from_outside_are_refused():
    spec = transformer().spec()
    spec["layers"]["head"]["class"] = "torch.nn.Linear"
    with pytest.raises(RefusedError, match=r"a class under tasks.nets"):
        DecisionTransformer.from_spec(spec)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="16 / 3"):
        transformer(heads=3)
