"""Policies of every kind that becomes an ONNX file, of random weights.

11 observations and 3 actions, hidden layers of 64, as in the default study; nothing is
trained, as sizes, nodes and times do not ask for it. Observations lie about a mean of
1, as wide as their deviation.
"""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tasks.artifacts.params import build
from tasks.artifacts.seeding import generator
from tasks.compress import Compressor
from tasks.compress.adadfq.student import Student
from tasks.compress.cores.rows import Rows
from tasks.compress.quest import edges_of
from tasks.nets import resnet
from tasks.nets.conditioned import Conditioned
from tasks.nets.diffusion import DiffusionPolicy, TimeEmbedding, one_step
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.nets.policy import Logged, Policy
from tasks.nets.quest import Quest, block_of
from tasks.nets.quest_packed import packed
from tasks.nets.sampling import ddpm, variance_preserving
from tasks.nets.transformer import DecisionTransformer

PARAMS = Path(__file__).parents[1] / "params/compress"
O, A, N = 11, 3, 1024  # noqa: E741 - shapes as in tasks/train
IMAGE = (3, 8, 8)
MEAN, STD = torch.ones(O), torch.linspace(0.5, 2, O)
LOW, HIGH = -torch.ones(A), torch.ones(A)
BOUNDS = MEAN, STD, LOW, HIGH


def feedforward(head: str = "tanh", width: int = 64, **more: Any) -> Feedforward:
    """Two hidden layers."""
    outputs = 2 * A if head == "gaussian" else A
    layers = list(MLP([0], "actor", (O, width, width, outputs)).layers)
    return Feedforward(layers, head, *BOUNDS, **more)


def conditioned() -> Conditioned:
    """Two descriptors beside the observations."""
    layers = list(MLP([0], "actor", (O + 2, 64, 64, A)).layers)
    return Conditioned(layers, *BOUNDS, -torch.ones(2), torch.ones(2))


def transformer() -> DecisionTransformer:
    """Eight steps, two blocks."""
    policy = DecisionTransformer(1, 8, 64, 1, 2, 1000, 0.001, 3000.0, *BOUNDS)
    draw = generator(0, "actor")
    policy.initialise([draw])
    for parameter in policy.parameters():  # a trained one's biases and norms differ
        parameter.add_(0.01 * torch.randn(parameter.shape, generator=draw))
    return policy


def diffusion(steps: int) -> DiffusionPolicy:
    """DQL's sampler of as many calls; 0: OFQL's one call of a flow."""
    times = 1 if steps else 2
    embeddings = [TimeEmbedding(1, 16, "mish") for _ in range(times)]
    for i, embedding in enumerate(embeddings):
        for layer in embedding.layers:
            layer.initialise([generator(0, f"time{i}")])
    layers = list(MLP([0], "actor", (O + A + 16 * times, 64, 64, A)).layers)
    abar = variance_preserving(steps).tolist() if steps else []
    plan, kind = (ddpm(abar), "noise") if steps else (one_step(), "velocity")
    return DiffusionPolicy(layers, embeddings, plan, kind, abar, 1.0, "mish", *BOUNDS)


def residual() -> resnet.ResNet:
    """Two blocks on small pictures, batch statistics of random ones."""
    width = int(np.prod(IMAGE))
    net = resnet.build(
        1, IMAGE, (8, 16), 5, torch.full((width,), 0.5), torch.full((width,), 0.2)
    )
    for name, unit in net.units.items():
        unit.initialise([generator(0, name)])
    with torch.no_grad():
        for i in range(40):
            draw = torch.randn(1, 64, *IMAGE, generator=generator(i, "pictures"))
            net.logits(draw, learn=True)
    return net


def few_bits(policy: Policy, bits: float = 2, edge_bits: float = 8) -> Policy:
    """QuEST's layers, packed but not trained."""
    if isinstance(policy, DecisionTransformer):
        state = policy.state_dict()
        policy = DecisionTransformer.from_spec({**policy.spec(), "double": True})
        policy.load_state_dict(state)
    edges, layers = edges_of(policy), {}
    for name, layer in policy.linears().items():
        linear: Any = layer
        own = edge_bits if name in edges else bits
        size = (1, linear.inputs, linear.outputs)
        trained = Quest(*size, own, block_of(linear.inputs, 128))
        trained.weight.copy_(linear.weight)
        trained.get_parameter("bias").copy_(linear.bias)
        layers[name] = packed(trained)
    policy.replace_linears(layers)
    return policy


def compressed(policy: Policy, name: str, **changed: Any) -> Policy:
    """What a compressor of ``params/compress`` makes of it on random rows."""
    block = yaml.safe_load((PARAMS / f"{name}.yaml").read_text("utf-8")) | changed
    compressor: Compressor[Any] = build(block, f"compress.{name}")
    return compressor.compress(policy, rows(policy))[0]


def rows(policy: Policy) -> Rows:
    """Random ones, with a past where the policy has a memory."""
    logged, draw = None, generator(0, "rows")
    t, width = policy.memory + 1, policy.observation_width
    mean, std = policy.observation_mean, policy.observation_std
    seen = torch.randn(N, t, width, generator=draw) * std + mean
    if policy.memory:
        actions = torch.randn(N, t, policy.action_width, generator=draw).clamp(-1, 1)
        rewards = torch.randn(N, t, generator=draw)
        times = torch.randint(t, 900, (N,), generator=draw).float()
        logged = Logged(seen, actions, rewards, 1000 + rewards, times)
    return Rows(seen[:, -1], "random", "0" * 64, (0,), logged=logged)


def coded() -> Policy:
    """The residual network in 3 bits, ranges seen on noise."""
    student = Student(residual(), 3)
    student.logits(torch.randn(64, *IMAGE, generator=generator(0, "seen")))
    return student.coded()


Make = Callable[[], Policy]
SMALL = {"rows": N, "batch": 64}
KINDS: dict[str, Make] = {
    "float32": feedforward,
    "float32, 2x256": partial(feedforward, width=256),
    "float32, clip": partial(feedforward, "clip"),
    "float32, gaussian": partial(feedforward, "gaussian"),
    "float32, categorical with mask": partial(feedforward, "categorical", masked=True),
    "float32, conditioned": conditioned,
    "float32, transformer": transformer,
    "float32, diffusion of 5 calls": partial(diffusion, 5),
    "float32, flow of 1 call": partial(diffusion, 0),
    "float32, ResNet": residual,
    "structured": lambda: compressed(feedforward(), "structured", steps=1),
    "distill, 2x16": partial(feedforward, width=16),
    "int8_static": lambda: compressed(feedforward(), "int8_static", rows=N),
    "int8_static, transformer": lambda: compressed(
        transformer(), "int8_static", rows=N
    ),
    "gptq4": lambda: compressed(feedforward(), "gptq4", rows=N),
    "gptq4, gaussian": lambda: compressed(feedforward("gaussian"), "gptq4", rows=N),
    "gptq4, diffusion of 5 calls": lambda: compressed(diffusion(5), "gptq4", rows=N),
    "gptq4, transformer": lambda: compressed(transformer(), "gptq4", rows=N),
    "quest, 1 bit": lambda: few_bits(feedforward(), 1),
    "quest, 1.585 bits": lambda: few_bits(feedforward(), 1.585),
    "quest, 2 bits": lambda: few_bits(feedforward()),
    "quest, 4 bits": lambda: few_bits(feedforward(), 4),
    "quest, 2 bits, 2x256": lambda: few_bits(feedforward(width=256)),
    "quest, 2 bits, transformer": lambda: few_bits(transformer()),
    "ptq4dm, 5 calls": lambda: compressed(diffusion(5), "ptq4dm", **SMALL),
    "ptq4dm, 4 bits, 5 calls": lambda: compressed(
        diffusion(5), "ptq4dm", bits=4, **SMALL
    ),
    "adadfq, 3 bits": coded,
}


def made(name: str) -> Policy:
    """One of ``KINDS``, of one seed."""
    with torch.no_grad():
        policy = copy.deepcopy(KINDS[name]())
    return policy.requires_grad_(requires_grad=False)
