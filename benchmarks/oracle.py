"""Write d3rlpy's losses on tiny networks, for the tests to compare with ours.

    "$(python -m benchmarks.peer)" -I benchmarks/oracle.py tests/train/oracle

It runs in d3rlpy's environment and calls d3rlpy's own code. A file
``NAME.json`` holds arrays as nested lists of float32 numbers, exactly:

| keys | what |
|---|---|
| ``batch/...`` | 8 rows: observation, action, reward, next ones, terminated |
| ``net/NETWORK/KIND/I`` | d3rlpy's layers in order; weights are (inputs, outputs) |
| ``noise/NAME`` | what was drawn, in place of torch's random numbers |
| ``param/NAME`` | d3rlpy's parameters that enter a loss |
| ``loss/NAME`` | what d3rlpy computed |

All losses are of the weights in the file: nothing is stepped in between. Written again,
the files have the same bytes.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import d3rlpy
import numpy as np
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.models.torch import (
    Parameter,
    build_gaussian_distribution,
    build_squashed_gaussian_distribution,
)
from d3rlpy.torch_utility import TorchMiniBatch
from torch import nn

O, A, ROWS = 3, 2, 8  # noqa: E741 - widths of observation and action
HIDDEN = [4, 4]
STILL = 1e-30  # a learning rate that changes no float32 weight
Arrays = dict[str, Any]


class Oracle:
    """One algorithm of d3rlpy with drawn weights, and its losses of one batch.

    Args:
        config: d3rlpy's, with the widths of HIDDEN.
        seed: Of weights, batch and noise.

    Attributes:
        recorded: What the file will hold, by key.
    """

    def __init__(self, config: Any, seed: int) -> None:
        self.g = np.random.default_rng(seed)
        self.recorded: Arrays = {}
        algo = config.create(device="cpu")
        algo.create_impl((O,), A)
        self.impl = algo.impl
        self.modules = self.impl.modules
        for module in vars(self.modules).values():
            if isinstance(module, nn.Module) and not isinstance(module, Parameter):
                self.draw(module)
        self.batch = self.make_batch()

    def draw(self, module: nn.Module) -> None:
        """Draw all weights of a network anew; those of a LayerNorm lie around one."""
        with torch.no_grad():
            for part in module.modules():
                for name, parameter in part.named_parameters(recurse=False):
                    value = 0.7 * self.g.standard_normal(parameter.shape, np.float32)
                    if isinstance(part, nn.LayerNorm) and name == "weight":
                        value = 1 + 0.3 * value
                    parameter.copy_(torch.from_numpy(np.asarray(value)))

    def make_batch(self) -> TorchMiniBatch:
        """Draw random rows, every fourth terminated."""
        normal = lambda *shape: self.g.standard_normal(shape, np.float32)  # noqa: E731
        rows: Arrays = {
            "observation": normal(ROWS, O),
            "action": np.tanh(normal(ROWS, A)),
            "reward": 2 * normal(ROWS),
            "next_observation": normal(ROWS, O),
            "next_action": np.tanh(normal(ROWS, A)),
            "terminated": (np.arange(ROWS) % 4 == 0).astype(np.float32),
        }
        self.keep("batch", **rows)
        x = {name: torch.from_numpy(value) for name, value in rows.items()}
        return TorchMiniBatch(
            observations=x["observation"],
            actions=x["action"],
            rewards=x["reward"][:, None],
            next_observations=x["next_observation"],
            next_actions=x["next_action"],
            returns_to_go=torch.zeros(ROWS, 1),
            terminals=x["terminated"][:, None],
            intervals=torch.ones(ROWS, 1),
            device="cpu",
        )

    def keep(self, group: str, **values: Any) -> None:
        """Record arrays or numbers under ``group/name``."""
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                value = value.detach().numpy()  # noqa: PLW2901 - the same number
            self.recorded[f"{group}/{name}"] = np.array(value, np.float32)

    def network(self, name: str, module: nn.Module) -> None:
        """Record a network's layers in their order."""
        kinds = {"layer": nn.Linear, "norm": nn.LayerNorm}
        for kind, of in kinds.items():
            parts = [part for part in module.modules() if isinstance(part, of)]
            for i, part in enumerate(parts):
                weight = part.weight.T if kind == "layer" else part.weight
                own = {f"{kind}/{i}/weight": weight, f"{kind}/{i}/bias": part.bias}
                self.keep(f"net/{name}", **own)

    def networks(self) -> None:
        """Record the layers of all networks."""
        for name, module in vars(self.modules).items():
            if isinstance(module, nn.ModuleList):
                for i, member in enumerate(module):
                    self.network(f"{name}.{i}", member)
            elif isinstance(module, nn.Module):
                self.network(name, module)

    @contextmanager
    def noise(self, *names: str) -> Iterator[None]:
        """Draw torch's random numbers here, and record them under some names."""
        left = list(names)

        def normal(*shape: Any, **_: Any) -> torch.Tensor:
            wide = shape[0] if len(shape) == 1 or not isinstance(shape[0], int) else ()
            drawn = self.g.standard_normal(tuple(wide or shape), np.float32)
            self.keep("noise", **{left.pop(0): drawn})
            return torch.from_numpy(drawn)

        def standard(shape: Any, dtype: Any, device: Any) -> torch.Tensor:
            del dtype, device
            return normal(tuple(shape))

        def uniform(self_: torch.Tensor, low: float, high: float) -> torch.Tensor:
            drawn = self.g.uniform(low, high, self_.shape).astype(np.float32)
            self.keep("noise", **{left.pop(0): drawn})
            return torch.from_numpy(drawn)

        with (
            mock.patch.object(torch, "randn", normal),
            mock.patch.object(torch.distributions.normal, "_standard_normal", standard),
            mock.patch.object(torch.Tensor, "uniform_", uniform),
        ):
            yield
        assert not left, f"never drawn: {left}"  # noqa: S101 - d3rlpy has changed

    def target(self, *names: str) -> torch.Tensor:
        """Compute d3rlpy's bootstrap value; record it before reward and discount."""
        with self.noise(*names):
            value = self.impl.compute_target(self.batch)
        self.keep("loss", target=value[:, 0])
        return value


def actor_critic(oracle: Oracle, *noise: str) -> None:
    """Losses of the deterministic actor-critics."""
    impl, batch = oracle.impl, oracle.batch
    critic = impl.compute_critic_loss(batch, oracle.target(*noise))
    oracle.keep("loss", critic=critic.critic_loss)
    actor = impl.compute_actor_loss(batch, impl.policy(batch.observations))
    oracle.keep("loss", actor=actor.actor_loss, imitation=actor.bc_loss)


def td3_bc(widths: Arrays) -> Oracle:
    """TD3+BC."""
    oracle = Oracle(d3rlpy.algos.TD3PlusBCConfig(**widths, alpha=2.5), 1)
    actor_critic(oracle, "target")
    oracle.keep("param", alpha=2.5, discount=0.99, target_noise=0.2, noise_clip=0.5)
    return oracle


def rebrac(widths: Arrays) -> Oracle:
    """ReBRAC; LayerNorm after ReLU in the critics, as its paper has."""
    norm = VectorEncoderFactory(hidden_units=HIDDEN, use_layer_norm=True)
    own = {**widths, "critic_encoder_factory": norm}
    betas = {"actor_beta": 0.05, "critic_beta": 0.5}
    oracle = Oracle(d3rlpy.algos.ReBRACConfig(**own, **betas), 2)
    actor_critic(oracle, "target")
    oracle.keep("param", discount=0.99, target_noise=0.2, noise_clip=0.5, **betas)
    return oracle


def iql(widths: Arrays) -> Oracle:
    """IQL."""
    own = {"value_encoder_factory": widths["actor_encoder_factory"]}
    params = {"expectile": 0.8, "weight_temp": 2.0, "max_weight": 5.0}
    oracle = Oracle(d3rlpy.algos.IQLConfig(**widths, **own, **params), 3)
    impl, batch = oracle.impl, oracle.batch
    critic = impl.compute_critic_loss(batch, oracle.target())
    action = impl.policy(batch.observations)
    actor = impl.compute_actor_loss(batch, action)
    losses = {"critic": critic.q_loss, "value": critic.v_loss}
    oracle.keep("loss", **losses, actor=actor.actor_loss)
    oracle.keep("param", discount=0.99, log_std=action.logstd[0], **params)
    return oracle


def awac(widths: Arrays) -> Oracle:
    """AWAC, with an actor whose mean does not depend on the observation.

    Beside the losses: the next action and its log likelihood in the target, and the
    advantages and log likelihoods in the actor's loss.
    """
    oracle = Oracle(d3rlpy.algos.AWACConfig(**widths, lam=0.8), 4)
    impl, batch = oracle.impl, oracle.batch
    with torch.no_grad():
        impl.policy._mu.weight.zero_()
        impl.policy._logstd.copy_(torch.tensor([[1.5, 2.5]]))
    critic = impl.compute_critic_loss(batch, oracle.target("next"))
    action = impl.policy(batch.observations)
    noise = torch.from_numpy(oracle.recorded["noise/next"])
    after = build_squashed_gaussian_distribution(impl.policy(batch.next_observations))
    raw = after._mean + after._std * noise
    oracle.keep("loss", critic=critic.critic_loss)
    oracle.keep("loss", next_action=torch.tanh(raw))
    oracle.keep("loss", next_log_likelihood=after._log_prob_from_raw_y(raw)[:, 0])
    with oracle.noise("current"):
        actor = impl.compute_actor_loss(batch, action)
    dist = build_gaussian_distribution(action)
    noise = torch.from_numpy(oracle.recorded["noise/current"])[0]
    sampled = (dist.mean + dist.std * noise).clamp(-1, 1)
    q = impl._q_func_forwarder.compute_expected_q
    advantage = q(batch.observations, batch.actions, "min")
    advantage = advantage - q(batch.observations, sampled, "min")
    oracle.keep("loss", actor=actor.actor_loss, advantage=advantage[:, 0])
    oracle.keep("loss", log_likelihood=dist.log_prob(batch.actions)[:, 0])
    oracle.keep("param", discount=0.99, temperature=0.8, log_std=action.logstd[0])
    return oracle


def cql(widths: Arrays) -> Oracle:
    """CQL with 4 actions a source, a fixed multiplier and a threshold."""
    params = {"conservative_weight": 5.0, "alpha_threshold": 0.8}
    first = {"initial_alpha": 1.7, "initial_temperature": 0.6}
    still = {"temp_learning_rate": STILL, "alpha_learning_rate": STILL}
    config = d3rlpy.algos.CQLConfig(
        **widths, **params, **first, **still, n_action_samples=4
    )
    oracle = Oracle(config, 5)
    impl, batch = oracle.impl, oracle.batch
    target = oracle.target()
    with oracle.noise("current", "next", "uniform"):
        critic = impl.compute_critic_loss(batch, target)
    losses = {"critic": critic.critic_loss, "conservative": critic.conservative_loss}
    with oracle.noise("actor"):
        actor = impl.compute_actor_loss(batch, impl.policy(batch.observations))
    more = {"actor": actor.actor_loss, "temperature": actor.temp_loss}
    oracle.keep("loss", **losses, **more)
    oracle.keep("param", discount=0.99, samples=4, **params, **first)
    return oracle


ALGORITHMS: dict[str, Callable[[Arrays], Oracle]] = {
    "td3_bc": td3_bc,
    "iql": iql,
    "cql": cql,
    "awac": awac,
    "rebrac": rebrac,
}


def main() -> None:
    """Write all files into the folder that the command line names."""
    folder, plain = Path(sys.argv[1]), VectorEncoderFactory(hidden_units=HIDDEN)
    widths = {"actor_encoder_factory": plain, "critic_encoder_factory": plain}
    for name, make in ALGORITHMS.items():
        oracle = make(widths)
        oracle.networks()
        lists = {key: array.tolist() for key, array in sorted(oracle.recorded.items())}
        text = json.dumps(lists, separators=(",", ":")).replace('],"', '],\n"')
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
