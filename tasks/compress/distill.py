"""Distillation: a small student learns the policy's actions where both of them go.

DAgger, Ross et al. 2011 (arXiv 1011.0686). With pi* the policy, the
teacher, and pi_i the student after round i, on the states D:

    D_0     = dataset rows + states that pi* visits
    pi_0    = argmin mean_{s in D_0} ||pi(s) - pi*(s)||^2
    D_i     = D_{i-1} + states that pi_{i-1} visits
    pi_i    = the same regression, continued on D_i

pi* acts in round 0 alone: the paper's beta_i = 1[i = 0]. Without a world D is the rows.
A gaussian teacher gives its mean; the student has a tanh head and no noise input. A
categorical teacher gives its log probabilities, and the student's head is the same.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from torch import Tensor, nn

from tasks.artifacts.params import Range
from tasks.compress import CalibratedParams, Compressor, Result, Rows
from tasks.compress.cores.regression import Fit
from tasks.compress.cores.students import readout, rebuild
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP

if TYPE_CHECKING:
    from tasks.worlds import World

# start seeds lie above those of evaluation (below 2^20) and of behaviours
FIRST_START, STARTS = 2**30, 2**29


@dataclass(frozen=True)
class DistillParams(CalibratedParams):
    """Parameters of ``distill``; units stand in params/compress/distill.yaml."""

    hidden: Annotated[tuple[int, ...], Range(1, 4096)]
    rounds: Annotated[int, Range(0, 100)]
    envs: Annotated[int, Range(1, 1024)]
    visit_steps: Annotated[int, Range(1, 100_000)]
    steps: Annotated[int, Range(1, 1_000_000)]
    batch: Annotated[int, Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]


class Distill(Compressor[DistillParams]):
    """A student a seed, all in one stack."""

    visits_world = True
    takes = (nn.Module,)
    policies = (Feedforward,)

    def work(self, policy: Feedforward, rows: Rows) -> Result:
        """Fit the student, visiting states before each round."""
        p = self.params
        widths = (policy.observation_width, *p.hidden, policy.action_width)
        head = "categorical" if policy.discrete else "tanh"
        layers = list(MLP(rows.seeds, "distill", widths).layers)
        student = rebuild(policy, layers, head)
        steps = p.steps * (p.rounds + 1)
        answer, layers_of = partial(readout, student), student.layers
        fit = Fit(answer, layers_of, rows.seeds, "distill", steps, p.batch, p.rate)
        states = rows.observations.expand(policy.seeds, -1, -1)  # (S, N, O)
        for turn in range(p.rounds + 1):
            if rows.world is not None:
                actor = student if turn else policy
                visited = visit(
                    rows.world, actor, rows.seeds, turn, p.envs, p.visit_steps
                )
                states = torch.cat([states, visited], dim=1)
            x = policy.normalise(states)
            targets = readout(policy, x) if policy.discrete else policy.squashed(x)
            fit.run([x], targets, p.steps)
        what = f"teacher's actions, {fit.steps} updates"
        if rows.world is not None:
            count = states.shape[1] - len(rows.observations)
            what += f"; beside the rows {count} visited states a seed"
        return Result(student, what)


def visit(
    world: "World",
    actor: Feedforward,
    seeds: tuple[int, ...],
    turn: int,
    envs: int,
    steps: int,
) -> Tensor:
    """States a policy meets when it acts; an episode that ends is followed by another.

    Args:
        world: Where.
        actor: Acts without noise, slice k in its own sub-environments.
        seeds: Seed numbers; start states depend on them, slice by slice.
        turn: Number of the round; start states depend on it too.
        envs: Sub-environments a seed.
        steps: Steps in each.

    Returns:
        (S, steps * envs, O), float32, units of the world.
    """
    count = len(seeds)
    draws = [np.random.default_rng([seed, turn, FIRST_START]) for seed in seeds]

    def start(i: int) -> int:
        return FIRST_START + int(draws[i // envs].integers(STARTS))

    batch = world.make(count * envs)
    states, n = [], count * envs
    raw, infos = batch.reset(seed=[start(i) for i in range(n)])
    for _ in range(steps):
        observation = torch.from_numpy(raw.astype(np.float32)).view(count, envs, -1)
        states.append(observation)
        legal = None
        if "legal" in infos:
            mask = torch.from_numpy(infos["legal"].astype(np.float32))
            legal = mask.view(count, envs, -1)
        action = actor(observation, legal=legal).flatten(0, 1).numpy()
        raw, _, _, _, infos = batch.step(action)
        if batch.ended.any():
            again = [start(i) if ended else None for i, ended in enumerate(batch.ended)]
            options = {"reset_mask": batch.ended.copy()}
            raw, infos = batch.reset(seed=again, options=options)
    batch.close()
    return torch.cat(states, dim=1)
