"""Stream-x: deep reinforcement learning from each step once, without a buffer.

Paper: Elsayed, Vasan, Mahmood 2024, "Streaming Deep Reinforcement Learning Finally
Works" (arXiv 2410.14606), with the constants of its authors' code. Five things let a
network learn from a stream: a sparse start, LayerNorm, normalised observations, scaled
rewards, and steps that do not overshoot (``cores/obgd.py``). With observations and
rewards so prepared, g the gradient, d the end of an episode and z the trace:

    q      delta = r + discount (1 - d) max_a Q(s', a) - Q(s, a),  g = grad Q(s, a)
    sarsa  delta = r + discount (1 - d) Q(s', a') - Q(s, a),       g = grad Q(s, a)
    ac     delta = r + discount (1 - d) v(s') - v(s),              g = grad v(s)
           actor: g = grad [log pi(a | s) + entropy sign(delta) H(pi(. | s))]

z is 0 again after an episode's last step and, of q, after an action that was not
greedy. q and sarsa act greedily but for a share epsilon of random actions, ac by its
policy, normal with deviation softplus or categorical. The actor steps first, by the
delta of the critic as it was.

With a clock, an input of the time in the episode, the end by the time limit counts as
an end; without one it does not. An actor's normal lies in units of half the action's
range here, of the world there. Of the four algorithms stream TD is left out: it
predicts and has no policy. Parameters switch each of the five things off, for the
paper's ablations: ``step: fixed`` with its ``rate``, ``layer_norm``, ``sparsity``,
``normalise``, ``scale_rewards``.

Shapes: S seeds, O observation, A action, P weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.actions import pick_legal
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.learn import Chance
from tasks.learn.cores.stream import Stream, StreamParams
from tasks.learn.cores.streaming_network import entropy, log_likelihood, softplus
from tasks.nets.ends import FORBIDDEN
from tasks.nets.policy import Policy
from tasks.train import Batch, Spaces

Luck = NDArray[np.float32]


@dataclass(frozen=True)
class StreamXParams(StreamParams):
    """Parameters of Stream-x; units and ranges stand in params/learn/stream_x.yaml."""

    algorithm: Annotated[str, OneOf(("q", "sarsa", "ac"))]
    kappa: Annotated[float, Range(0, 1000)]
    kappa_policy: Annotated[float, Range(0, 1000)]
    entropy: Annotated[float, Range(0, 100)]
    epsilon_start: Annotated[float, Range(0, 1)]
    epsilon_end: Annotated[float, Range(0, 1)]
    epsilon_share: Annotated[float, Range(0, 1, open=True)]


class StreamX(Stream[StreamXParams]):
    """Stream Q(lambda), SARSA(lambda) or AC(lambda).

    Raises:
        RefusedError: If q or sarsa is asked for continuous actions, or ac to keep to a
            mask of legal ones.
    """

    actions = ("continuous", "discrete")
    greedy: Tensor  # (S,) bool, whether the action is
    drawn: Tensor  # (S, A), the action before it was clipped
    waits: Tensor  # (S,) bool, of sarsa, for the action after it
    gain: Tensor  # (S,), reward of the step that waits
    before: Tensor  # (S, I), where it was taken
    taken: Tensor  # (S, A), and by which action

    def __init__(
        self,
        params: StreamXParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        s, a, self.actor_critic = len(seeds), spaces.action, params.algorithm == "ac"
        check(params.algorithm, spaces)
        self.columns = ("truncated", *(("next_legal",) if spaces.masked else ()))
        self.value = self.network(1 if self.actor_critic else a, "value")
        if self.actor_critic:
            self.actor = self.network(a if spaces.discrete else 2 * a, "actor")
        self.register_buffer("greedy", torch.ones(s, dtype=torch.bool))
        self.register_buffer("drawn", torch.zeros(s, a))
        self.register_buffer("waits", torch.zeros(s, dtype=torch.bool))
        self.register_buffer("gain", torch.zeros(s))
        self.register_buffer("before", torch.zeros(s, self.inputs))
        self.register_buffer("taken", torch.zeros(s, a))

    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """Epsilon-greedy, or a sample of the policy clipped to its bounds."""
        self.begin(observation[:, 0])
        if self.actor_critic:
            self.drawn = self.sample(chance)
        else:
            mask = torch.ones_like(self.drawn) if legal is None else legal[:, 0]
            self.drawn = self.choose(mask, chance.uniform[:, 0], step)
            if bool(self.waits.any()):
                self.learn_waiting()
        action = self.drawn if self.spaces.discrete else self.drawn.clamp(-1, 1)
        return action[:, None].clone()

    def choose(self, mask: Tensor, luck: Luck, step: int) -> Tensor:
        """An action one-hot (S, A); remembers whether it is the greedy one."""
        best = self.values(self.here, mask).argmax(1)
        other = torch.from_numpy(pick_legal(luck[:, 1], mask.numpy()))
        random = torch.from_numpy(luck[:, 0] < self.epsilon(step))
        action = torch.where(random, other, best)
        self.greedy = action == best
        return torch.eye(self.spaces.action)[action]

    def values(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Q (S, A) without gradient, those of forbidden actions very low."""
        values = self.value(x[:, None])[:, 0]
        return values if mask is None else torch.where(mask > 0.5, values, FORBIDDEN)

    def sample(self, chance: Chance) -> Tensor:
        """An action of the actor, (S, A)."""
        outputs = self.actor(self.here[:, None])[:, 0]
        if not self.spaces.discrete:
            mean, raw = outputs.chunk(2, dim=1)
            return mean + softplus(raw) * torch.from_numpy(chance.normal[:, 0])
        sums = outputs.softmax(1).cumsum(1)
        places = torch.from_numpy(chance.uniform[:, 0, :1]) * sums[:, -1:]
        return torch.eye(self.spaces.action)[(sums <= places).sum(1)]

    def epsilon(self, step: int) -> float:
        """Share of random actions after some steps, falling linearly."""
        p = self.params
        done = min(1.0, step / (p.epsilon_share * self.updates))
        return p.epsilon_start + done * (p.epsilon_end - p.epsilon_start)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one step along the trace; the next observation becomes the present."""
        del step
        p, reward, terminated = self.params, batch.reward[:, 0], batch.terminated[:, 0]
        ended = (terminated + batch.columns["truncated"][:, 0, 0]).clamp(max=1)
        reward = self.scale(reward, ended) if p.scale_rewards else reward
        self.steps = self.steps + 1
        every, over = torch.ones_like(self.begins), ended.bool()
        there = self.prepared(batch.next_observation[:, 0], every)
        discount = p.discount * (1 - (ended if p.clock else terminated))
        if self.actor_critic:
            told = self.learn_actor_critic(reward, discount, there, over)
        else:
            mask = batch.columns.get("next_legal")
            mask = None if mask is None else mask[:, 0]
            # of sarsa only where the episode is over, without an action after it
            target = reward + discount * self.values(there, mask).amax(1)
            sarsa = p.algorithm == "sarsa"
            seeds = over if sarsa else every
            told = self.learn_value(self.here, self.drawn, target, seeds)
            self.value.trace[over if sarsa else over | ~self.greedy] = 0
            if sarsa:  # told of the greedy action after it, its own is not drawn yet
                told.pop("step_size")
                self.waits, self.gain = ~over, reward
                self.before, self.taken = self.here, self.drawn
        self.arrive(there, over)
        return told

    def learn_value(
        self, x: Tensor, action: Tensor, target: Tensor, seeds: Tensor
    ) -> dict[str, Tensor]:
        """Step the value of x and an action towards the target (S,), for some seeds."""
        with torch.enable_grad():
            weights = self.value.weights.detach().requires_grad_()
            value = (self.value(x[:, None], weights)[:, 0] * action).sum(1)
            (gradient,) = torch.autograd.grad(value.sum(), weights)
        delta = target - value.detach()
        size = self.walk(self.value, gradient, delta, self.params.kappa, seeds)
        return {"td_error": delta.abs(), "value": value.detach(), "step_size": size}

    def learn_waiting(self) -> None:
        """Learn from the step before, now that the action after it is drawn."""
        ahead = (self.value(self.here[:, None])[:, 0] * self.drawn).sum(1)
        target = self.gain + self.params.discount * ahead
        self.learn_value(self.before, self.taken, target, self.waits)
        self.waits = torch.zeros_like(self.waits)

    def learn_actor_critic(
        self, reward: Tensor, discount: Tensor, there: Tensor, over: Tensor
    ) -> dict[str, Tensor]:
        """Step the actor, then the critic, both by the critic's error before."""
        every = torch.ones_like(over)
        with torch.no_grad():
            target = reward + discount * self.value(there[:, None])[:, 0, 0]
            delta = target - self.value(self.here[:, None])[:, 0, 0]
        with torch.enable_grad():
            weights = self.actor.weights.detach().requires_grad_()
            outputs = self.actor(self.here[:, None], weights)[:, 0]
            discrete = self.spaces.discrete
            spread = entropy(outputs, discrete)
            goal = log_likelihood(outputs, self.drawn, discrete)
            goal = goal + self.params.entropy * delta.sign() * spread
            (gradient,) = torch.autograd.grad(goal.sum(), weights)
        self.walk(self.actor, gradient, delta, self.params.kappa_policy, every)
        told = self.learn_value(self.here, torch.ones(len(over), 1), target, every)
        for network in (self.actor, self.value):
            network.trace[over] = 0
        return {**told, "entropy": spread.detach()}

    def policy(self) -> Policy:
        """The greedy policy, or the actor's mean or likeliest action."""
        return self.acting(self.actor if self.actor_critic else self.value)


def check(algorithm: str, spaces: Spaces) -> None:
    """Refuse an algorithm that cannot have these actions."""
    where = "learn.stream_x.algorithm"
    if algorithm != "ac" and not spaces.discrete:
        expected = "ac, as q and sarsa choose among discrete actions"
        raise RefusedError(PARAMS, where, algorithm, expected, MEND)
    if algorithm == "ac" and spaces.masked:
        expected = "q or sarsa, as ac keeps to no mask of legal actions"
        raise RefusedError(PARAMS, where, algorithm, expected, MEND)
