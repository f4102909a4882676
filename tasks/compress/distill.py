"""Distillation: a small student learns the policy's actions where both of them go.

DAgger, Ross et al. 2011 (arXiv 1011.0686). With pi* the policy, the
teacher, and pi_i the student after round i, on the states D:

    D_0     = dataset rows + states that pi* visits (of ``states`` both)
    pi_0    = argmin mean_{s in D_0} ||pi(s) - pi*(s)||^2
    D_i     = D_{i-1} + states that pi_{i-1} visits
    pi_i    = the same regression, continued on D_i

pi* acts in round 0 alone: the paper's beta_i = 1[i = 0]. Without a world D is the rows.
A gaussian teacher gives its mean; the student has a tanh head and no noise input. A
categorical teacher gives its log probabilities, and the student's head is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.params import OneOf, Range
from tasks.compress import CalibratedParams, Compressor, Result
from tasks.compress.cores.regression import Fit
from tasks.compress.cores.rows import NO_WORLD, STATES, Rows
from tasks.compress.cores.students import readout, rebuild
from tasks.compress.cores.visits import visits
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP

if TYPE_CHECKING:
    from tasks.worlds import World


@dataclass(frozen=True)
class DistillParams(CalibratedParams):
    """Parameters of ``distill``; units stand in params/compress/distill.yaml.

    Attributes:
        states: ``data``: dataset rows alone; ``visited``: visited states alone;
            ``both``: all of both, and rows alone where there is no world to play in.
    """

    states: Annotated[str, OneOf(STATES)]
    hidden: Annotated[tuple[int, ...], Range(1, 4096)]
    rounds: Annotated[int, Range(0, 100)]
    envs: Annotated[int, Range(1, 1024)]
    visit_steps: Annotated[int, Range(1, 100_000)]
    steps: Annotated[int, Range(1, 1_000_000)]
    batch: Annotated[int, Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]


class Distill(Compressor[DistillParams]):
    """A student a seed, all in one stack."""

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
        if p.states == "visited":
            rows.check_world(p.states)
            states = states[:, :0]
        logged, world = states.shape[1], rows.world if p.states != "data" else None
        for turn in range(p.rounds + 1):
            if world is not None:
                actor = student if turn else policy
                visited = self._visit(world, actor, rows.seeds, turn)
                states = torch.cat([states, visited], dim=1)
            x = policy.normalise(states)
            targets = readout(policy, x) if policy.discrete else policy.squashed(x)
            fit.run([x], targets, p.steps)
        what = f"teacher's actions, {fit.steps} updates"
        if world is not None:
            beside = "beside the rows " if logged else "on "
            what += f"; {beside}{states.shape[1] - logged} visited states a seed"
        elif p.states == "both":
            what += NO_WORLD
        return Result(student, what)

    def _visit(
        self, world: "World", actor: Feedforward, seeds: Sequence[int], turn: int
    ) -> Tensor:
        """States (S, visit_steps * envs, O) that a policy meets in a round."""
        envs, steps = self.params.envs, self.params.visit_steps
        count = envs * steps
        met = visits(world, actor, seeds, f"distill {turn}", count, envs, steps)
        return met[0]["observation"]
