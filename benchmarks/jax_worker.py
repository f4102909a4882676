"""IQL and TD3+BC in JAX as a worker process: one jitted scan, seeds by vmap.

``workers.py`` starts it in an environment of its own and sends requests, one JSON
object a line of standard input. A call of the compiled function makes ``SCAN`` updates
of all seeds, batches drawn inside, and no Python runs between them: the way in which
the fast JAX libraries of offline learning train. Losses, networks and constants are
those of ``params/train``; IQL's actor maximises the likelihood, as d3rlpy's does.
"""

import json
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

SCAN = 100  # updates a call
RATE, DISCOUNT, POLYAK = 3e-4, 0.99, 0.005
EXPECTILE, BETA, WEIGHT_MAX = 0.7, 3.0, 100.0
ALPHA, NOISE, CLIP, DELAY = 2.5, 0.2, 0.5, 2
UPDATES = 1_000_000  # what the cosine of IQL's actor counts on


def network(key: jax.Array, widths: list) -> list:
    """Weights and biases from U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    layers = []
    for inputs, outputs in pairwise(widths):
        key, first, second = jax.random.split(key, 3)
        bound = inputs**-0.5
        shape = (inputs, outputs)
        weight = jax.random.uniform(first, shape, minval=-bound, maxval=bound)
        bias = jax.random.uniform(second, (outputs,), minval=-bound, maxval=bound)
        layers.append((weight, bias))
    return layers


def through(layers: list, x: jax.Array) -> jax.Array:
    """Layers with ReLU between: (B, inputs) -> (B, outputs)."""
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    return x @ layers[-1][0] + layers[-1][1]


def twins(critics: list, o: jax.Array, a: jax.Array) -> jax.Array:
    """Q of both critics, (2, B)."""
    x = jnp.concatenate([o, a], -1)
    return jnp.stack([through(critic, x)[:, 0] for critic in critics])


def adam(params: object, gradient: object, state: dict, rate: object = RATE) -> tuple:
    """One step of Adam."""
    each, t = jax.tree.map, state["t"] + 1
    mean = each(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradient)
    square = each(lambda v, g: 0.999 * v + 0.001 * g * g, state["square"], gradient)
    pace, root = rate / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
    params = each(
        lambda p, m, v: p - pace * m / (jnp.sqrt(v) * root + 1e-8), params, mean, square
    )
    return params, {"mean": mean, "square": square, "t": t}


def fresh(params: object) -> dict:
    """The optimiser's state before its first step."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return {"mean": zeros, "square": zeros, "t": jnp.float32(0)}


def follow(target: object, source: object) -> object:
    """A target network's move."""
    return jax.tree.map(lambda a, b: (1 - POLYAK) * a + POLYAK * b, target, source)


def iql_start(key: jax.Array, o: int, a: int, hidden: list) -> tuple:
    """Networks and optimisers of IQL."""
    keys = jax.random.split(key, 4)
    nets = {
        "actor": (network(keys[0], [o, *hidden, a]), jnp.zeros(a)),
        "value": network(keys[1], [o, *hidden, 1]),
        "critics": [network(k, [o + a, *hidden, 1]) for k in keys[2:]],
    }
    states = {name: fresh(params) for name, params in nets.items()}
    return {**nets, "target": nets["critics"]}, states


def iql(nets: dict, states: dict, batch: tuple, _: jax.Array) -> tuple:
    """One update of IQL."""
    o, a, r, o2, d = batch
    q = twins(nets["target"], o, a).min(0)
    v_next = through(nets["value"], o2)[:, 0]

    def value_loss(value: list) -> tuple:
        u = q - through(value, o)[:, 0]
        return (jnp.abs(EXPECTILE - (u < 0)) * u * u).mean(), u

    def critic_loss(critics: list) -> jax.Array:
        y = r + DISCOUNT * (1 - d) * v_next
        return ((twins(critics, o, a) - y) ** 2).mean()

    def actor_loss(actor: tuple) -> jax.Array:
        layers, log_std = actor
        log_std = log_std.clip(-20, 2)
        z = (jnp.tanh(through(layers, o)) - a) * jnp.exp(-log_std)
        return (weight * (0.5 * z * z + log_std + 0.919).sum(-1)).mean()

    (loss, u), by_value = jax.value_and_grad(value_loss, has_aux=True)(nets["value"])
    weight = jnp.minimum(jnp.exp(BETA * u), WEIGHT_MAX)
    rate = RATE / 2 * (1 + jnp.cos(jnp.pi * states["actor"]["t"] / UPDATES))
    moves = {
        "value": (by_value, RATE),
        "critics": (jax.grad(critic_loss)(nets["critics"]), RATE),
        "actor": (jax.grad(actor_loss)(nets["actor"]), rate),
    }
    nets, states = dict(nets), dict(states)
    for name, (gradient, pace) in moves.items():
        nets[name], states[name] = adam(nets[name], gradient, states[name], pace)
    nets["target"] = follow(nets["target"], nets["critics"])
    return nets, states, loss


def td3_bc_start(key: jax.Array, o: int, a: int, hidden: list) -> tuple:
    """Networks and optimisers of TD3+BC."""
    keys = jax.random.split(key, 3)
    nets = {
        "actor": network(keys[0], [o, *hidden, a]),
        "critics": [network(k, [o + a, *hidden, 1]) for k in keys[1:]],
    }
    states = {name: fresh(params) for name, params in nets.items()}
    targets = {"slow_actor": nets["actor"], "slow_critics": nets["critics"]}
    return {**nets, **targets}, states


def td3_bc(nets: dict, states: dict, batch: tuple, key: jax.Array, act: bool) -> tuple:
    """One update of TD3+BC; with ``act`` also actor and targets move."""
    o, a, r, o2, d = batch
    noise = (NOISE * jax.random.normal(key, a.shape)).clip(-CLIP, CLIP)
    a2 = (jnp.tanh(through(nets["slow_actor"], o2)) + noise).clip(-1, 1)
    y = r + DISCOUNT * (1 - d) * twins(nets["slow_critics"], o2, a2).min(0)

    def critic_loss(critics: list) -> jax.Array:
        return ((twins(critics, o, a) - y) ** 2).mean(-1).sum()

    def actor_loss(actor: list) -> jax.Array:
        pi = jnp.tanh(through(actor, o))
        q = through(nets["critics"][0], jnp.concatenate([o, pi], -1))[:, 0]
        scale = ALPHA / jax.lax.stop_gradient(jnp.abs(q).mean())
        return ((pi - a) ** 2).mean() - scale * q.mean()

    nets, states = dict(nets), dict(states)
    loss, gradient = jax.value_and_grad(critic_loss)(nets["critics"])
    nets["critics"], states["critics"] = adam(
        nets["critics"], gradient, states["critics"]
    )
    if act:
        gradient = jax.grad(actor_loss)(nets["actor"])
        nets["actor"], states["actor"] = adam(nets["actor"], gradient, states["actor"])
        nets["slow_actor"] = follow(nets["slow_actor"], nets["actor"])
        nets["slow_critics"] = follow(nets["slow_critics"], nets["critics"])
    return nets, states, loss


# what a learner starts with, and its updates in the order they take turns
LEARNERS = {
    "iql": (iql_start, (iql,)),
    "td3_bc": (td3_bc_start, (partial(td3_bc, act=False), partial(td3_bc, act=True))),
}


def table(folder: Path) -> tuple:
    """Columns (N, ...): observation, action, reward, next observation, terminated."""
    shapes = json.loads((folder / "shapes.json").read_text(encoding="utf-8"))
    file = {
        name: np.fromfile(folder / name, np.float32).reshape(shape)
        for name, shape in shapes.items()
    }
    o, a = file["observation"], file["action"]
    ends = np.zeros(file["reward"].shape, np.float32)
    ends[:, -1] = file["terminated"]
    flat = o[:, :-1].reshape(-1, o.shape[-1]), a.reshape(-1, a.shape[-1])
    after = o[:, 1:].reshape(-1, o.shape[-1])
    rows = (*flat, file["reward"].ravel(), after, ends.ravel())
    return tuple(jnp.asarray(column) for column in rows)


class Peer:
    """One stack of seeds that trains."""

    def versions(self) -> dict:
        """Version of JAX."""
        return {"jax": jax.__version__}

    def build(
        self, learner: str, hidden: list, batch: int, data: str, seeds: list
    ) -> dict:
        """Compile a learner and warm it up.

        Args:
            learner: iql or td3_bc.
            hidden: Widths of the hidden layers.
            batch: Rows an update and seed.
            data: Folder of the episodes that ``episodes.py`` wrote.
            seeds: One slice each.
        """
        columns = table(Path(data))
        start, updates = LEARNERS[learner]
        widths = columns[0].shape[1], columns[1].shape[1], hidden

        def turn(carry: tuple, _: None) -> tuple:
            nets, states, key = carry
            for update in updates:
                key, first, second = jax.random.split(key, 3)
                rows = jax.random.randint(first, (batch,), 0, len(columns[0]))
                drawn = tuple(column[rows] for column in columns)
                nets, states, loss = update(nets, states, drawn, second)
            return (nets, states, key), loss

        def run(carry: tuple) -> tuple:
            return jax.lax.scan(turn, carry, None, SCAN // len(updates))

        keys = jnp.stack([jax.random.PRNGKey(seed) for seed in seeds])
        nets, states = jax.vmap(lambda key: start(key, *widths))(keys)
        self.carry, self.run = (nets, states, keys), jax.jit(jax.vmap(run))
        self.step()
        return self.versions()

    def step(self) -> None:
        """Make SCAN updates of all seeds."""
        self.carry, losses = self.run(self.carry)
        jax.block_until_ready(losses)

    def train(self, seconds: float) -> dict:
        """Make updates for some seconds; the call that ends after them is the last."""
        begun, updates = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds:
            self.step()
            updates += SCAN
        return {"updates": updates, "seconds": spent}


def serve() -> None:
    """Answer requests until standard input ends."""
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
