"""Our losses beside d3rlpy's on the same weights, batch and noise.

``oracle/NAME.json`` was computed by d3rlpy 2.8.1's own code with
``benchmarks/oracle.py``, which says what is in it. Learning rates are 0 here, so that
all losses are of the weights in the file: d3rlpy steps its critics before it looks at
the actor, and so do some of ours. Agreement is to float32 rounding, ``TOLERANCE``.
Where the definitions differ the test's docstring says how, and the test shows that
nothing else does.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.artifacts.params import build
from tasks.train import Batch

from . import harness

FOLDER = Path(__file__).parent / "oracle"
TOLERANCE = 2e-5  # relative
Q, Q_TARGET = ("q_funcs.0", "q_funcs.1"), ("targ_q_funcs.0", "targ_q_funcs.1")


class Oracle:
    """One file, and our learner with its weights."""

    def __init__(self, name: str) -> None:
        self.name = name
        lists = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.found = {key: torch.tensor(values) for key, values in lists.items()}
        self.batch, self.noise = self.group("batch"), self.group("noise")
        self.loss, self.param = self.group("loss"), self.group("param")

    def group(self, name: str) -> dict[str, Tensor]:
        return {
            key.removeprefix(f"{name}/"): value
            for key, value in self.found.items()
            if key.startswith(f"{name}/")
        }

    def learner(self, **override: Any) -> Any:
        widths = {"actor_hidden": [4, 4], "critic_hidden": [4, 4]}
        still = {"actor_rate": 0.0, "critic_rate": 0.0}
        block = harness.block(self.name, **widths, **still, **override)
        spaces = harness.unit_spaces()
        where = f"train.{self.name}"
        return build(block, where, spaces=spaces, seeds=(0,), updates=10)

    def put(self, ours: torch.nn.Module, *theirs: str) -> None:
        """Copy networks of theirs into a stack of ours, one a member."""
        kinds = {"layer": ours.layers, "norm": getattr(ours, "norms", ())}
        with torch.no_grad():
            for kind, parts in kinds.items():
                for i, part in enumerate(parts):
                    for name in ("weight", "bias"):
                        keys = [f"net/{net}/{kind}/{i}/{name}" for net in theirs]
                        values = torch.stack([self.found[key] for key in keys])
                        tensor = part.get_parameter(name)
                        tensor.copy_(values.view(tensor.shape))

    def rows(self, **replace: Tensor) -> Batch:
        x = {**self.batch, **replace}
        noise = {key: value[None] for key, value in self.noise.items()}
        return Batch(
            x["observation"][None],
            x["action"][None],
            x["reward"][None],
            x["next_observation"][None],
            x["terminated"][None],
            {"next_action": x["next_action"][None]},
            noise,
        )

    def assert_same(self, loss: str, ours: Tensor) -> None:
        expected = float(self.loss[loss])
        assert ours.item() == pytest.approx(expected, rel=TOLERANCE), loss


def number(value: Tensor) -> float:
    """As it stood in the script, before it was float32."""
    return round(float(value), 6)


def test_td3_bc():
    """The same: critics summed over the two, imitation a mean over dimensions."""
    oracle = Oracle("td3_bc")
    p = {key: number(value) for key, value in oracle.param.items()}
    learner = oracle.learner(policy_delay=1, **p)
    oracle.put(learner.actor, "policy")
    oracle.put(learner.target_actor, "targ_policy")
    oracle.put(learner.critics.net, *Q)
    oracle.put(learner.target_critics.net, *Q_TARGET)
    found = learner.update(oracle.rows(), 0)
    oracle.assert_same("critic", found["critic_loss"])
    oracle.assert_same("actor", found["actor_loss"])


def test_iql():
    """The same but for the critics: d3rlpy sums over the two, ours is their mean.

    Adam does not see the factor. d3rlpy bounds the deviation by a sigmoid between
    exp(-5) and exp(2), ours is clipped between exp(-20) and exp(2): the value is put
    in. d3rlpy has value and critics stepped when it weights the actor's loss, with the
    advantage of the new value; ours takes that before the step, as CORL does.
    """
    oracle = Oracle("iql")
    p = {key: number(oracle.param[key]) for key in ("discount", "expectile")}
    weights = {"beta": "weight_temp", "weight_max": "max_weight"}
    p |= {ours: number(oracle.param[theirs]) for ours, theirs in weights.items()}
    learner = oracle.learner(policy="gaussian", reward_scale="none", **p)
    oracle.put(learner.actor, "policy")
    oracle.put(learner.critics.net, *Q)
    oracle.put(learner.target.net, *Q_TARGET)
    oracle.put(learner.value, "value_func")
    with torch.no_grad():
        learner.log_std.copy_(oracle.param["log_std"])
    found = learner.update(oracle.rows(), 0)
    oracle.assert_same("value", found["value_loss"])
    oracle.assert_same("critic", 2 * found["critic_loss"])
    oracle.assert_same("actor", found["actor_loss"])


def test_awac():
    """The critics are the same once three differences of the target are put in.

    d3rlpy bootstraps with tanh of the drawn action and subtracts its log likelihood,
    at temperature 1; ours clips the drawn action and has no entropy, as CORL. So ours
    gets the noise that leads to d3rlpy's action, and a reward less that entropy.

    The actor's loss is another one. d3rlpy's mean is a tanh, ours is not, so the file
    has an actor whose last layer looks at nothing, and ours its tanh. d3rlpy's weights
    are a softmax over the batch times its size, and it sums; ours are exp(advantage /
    temperature) up to a cap, and a mean. From the same advantages and likelihoods, of
    rows below the cap, that is a factor, rows / mean weight.
    """
    oracle = Oracle("awac")
    p = {key: number(oracle.param[key]) for key in ("discount", "temperature")}
    learner = oracle.learner(**p, weight_max=1e9)
    oracle.put(learner.actor, "policy")
    oracle.put(learner.critics.net, *Q)
    oracle.put(learner.target.net, *Q_TARGET)
    log_std, last = oracle.param["log_std"], learner.actor.layers[-1]
    assert not last.weight.any()
    with torch.no_grad():
        learner.log_std.copy_(log_std)
        mean = last.bias.tanh_()[0, 0]
    oracle.noise["next"] = (oracle.loss["next_action"] - mean) / log_std.exp()
    oracle.noise["current"] = oracle.noise["current"][0]
    going_on = p["discount"] * (1 - oracle.batch["terminated"])
    entropy = oracle.loss["next_log_likelihood"]
    found = learner.update(
        oracle.rows(reward=oracle.batch["reward"] - going_on * entropy), 0
    )
    oracle.assert_same("critic", found["critic_loss"])
    weight = (oracle.loss["advantage"] / p["temperature"]).exp()
    assert found["weight"].item() == pytest.approx(float(weight.mean()), rel=TOLERANCE)
    oracle.assert_same("actor", found["actor_loss"] * len(weight) / weight.mean())


def test_rebrac():
    """The same: sums over dimensions, min of both critics, LayerNorm after ReLU."""
    oracle = Oracle("rebrac")
    same = ("discount", "target_noise", "noise_clip")
    p = {key: number(oracle.param[key]) for key in same}
    betas = {"actor_penalty": "actor_beta", "critic_penalty": "critic_beta"}
    p |= {ours: number(oracle.param[theirs]) for ours, theirs in betas.items()}
    learner = oracle.learner(policy_delay=1, **p)
    oracle.put(learner.actor, "policy")
    oracle.put(learner.target_actor, "targ_policy")
    oracle.put(learner.critics.net, *Q)
    oracle.put(learner.target_critics.net, *Q_TARGET)
    found = learner.update(oracle.rows(), 0)
    oracle.assert_same("critic", found["critic_loss"])
    oracle.assert_same("actor", found["actor_loss"])


def test_cql():
    """The same with the Lagrange multiplier; d3rlpy steps it before it is used.

    d3rlpy bootstraps with the policy's mean, ours with a drawn action: that noise is 0
    here. Without the multiplier d3rlpy still subtracts its threshold, a constant. Its
    temperature's loss has the temperature where ours has its logarithm, as CORL.
    """
    oracle = Oracle("cql")
    p = {key: number(value) for key, value in oracle.param.items()}
    learner = oracle.learner(
        discount=p["discount"],
        samples=int(p["samples"]),
        weight=p["conservative_weight"],
        gap=p["alpha_threshold"],
        lagrange=True,
    )
    oracle.put(learner.critics.net, *Q)
    oracle.put(learner.target.net, *Q_TARGET)
    for name in ("weight", "bias"):  # mean and log std are one last layer of ours
        heads = [oracle.found.pop(f"net/policy/layer/{i}/{name}") for i in (2, 3)]
        oracle.found[f"net/policy/layer/2/{name}"] = torch.cat(heads, -1)
    oracle.put(learner.actor, "policy")
    with torch.no_grad():
        learner.log_multiplier.fill_(math.log(p["initial_alpha"]))
        learner.log_temperature.fill_(math.log(p["initial_temperature"]))
    drawn = oracle.noise
    oracle.noise = {
        "next": torch.zeros_like(drawn["actor"]),
        "current": drawn["actor"],
        "uniform": drawn["uniform"].unflatten(0, (-1, int(p["samples"]))),
        "proposed": drawn["current"].transpose(0, 1),
        "proposed_next": drawn["next"].transpose(0, 1),
    }
    found = learner.update(oracle.rows(), 0)
    oracle.assert_same("critic", found["critic_loss"])
    oracle.assert_same("actor", found["actor_loss"])
    over = found["excess"] - p["alpha_threshold"]  # mean of the two critics
    weight = p["initial_alpha"] * p["conservative_weight"]
    oracle.assert_same("conservative", 2 * weight * over)
    entropy = found["entropy"] + harness.A  # above its goal, -A
    oracle.assert_same("temperature", p["initial_temperature"] * entropy)
