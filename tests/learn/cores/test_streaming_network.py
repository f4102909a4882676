"""How a streaming network starts, and what its outputs say of an action."""

import math

import torch
from torch.nn import functional

from tasks.learn.cores.streaming_network import (
    StreamingNetwork,
    entropy,
    log_likelihood,
)

SEEDS = (3, 5)


def test_the_start_is_sparse_and_without_bias():
    network = StreamingNetwork(SEEDS, (11, 8, 3), True, 0.9, "value")
    for weight, bias in network.split(network.weights):
        inputs = weight.shape[1]
        zeros = (weight == 0).sum(1)
        assert (zeros == math.ceil(0.9 * inputs)).all()
        assert weight.abs().max() <= 1 / math.sqrt(inputs)
        assert not bias.any()
    alone = StreamingNetwork((5,), (11, 8, 3), True, 0.9, "value")
    assert torch.equal(network.weights[1:], alone.weights)


def test_the_actors_likelihood_and_entropy_are_torchs():
    g = torch.Generator().manual_seed(0)
    outputs, action = torch.randn(5, 6, generator=g), torch.randn(5, 3, generator=g)
    mean, raw = outputs.chunk(2, dim=1)
    normal = torch.distributions.Normal(mean, functional.softplus(raw))
    own = log_likelihood(outputs, action, False)
    torch.testing.assert_close(own, normal.log_prob(action).sum(1))
    torch.testing.assert_close(entropy(outputs, False), normal.entropy().sum(1))
    choice = torch.distributions.Categorical(logits=outputs)
    one_hot = torch.eye(6)[torch.tensor([0, 5, 2, 2, 1])]
    own = log_likelihood(outputs, one_hot, True)
    torch.testing.assert_close(own, choice.log_prob(one_hot.argmax(1)))
    torch.testing.assert_close(entropy(outputs, True), choice.entropy())
