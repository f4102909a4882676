"""What a compressor may look at: dataset rows, and states the policy visits itself."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.artifacts.seeding import generator
from tasks.compress.cores.layer_inputs import Situation
from tasks.compress.cores.visits import cut, mixed, visits
from tasks.nets.policy import Logged, Policy

if TYPE_CHECKING:
    from tasks.worlds import World

STATES = ("data", "visited", "both")
NO_WORLD = "; on dataset rows alone, as there is no world to play in"


@dataclass(frozen=True)
class Rows:
    """What a compressor may look at.

    Attributes:
        observations: (N, O), float32, units of the world; rows of the dataset.
        dataset: The dataset's name.
        sha256: Of the dataset's data.
        seeds: The policy's seed numbers, one a slice. All randomness depends on them
            slice by slice, so seed k alone gives what it gives in a stack.
        world: Where a compressor may visit states; None: it keeps to the rows.
        logged: The same rows with what was before them, where the policy has a memory.
        legal: (N, A), 1.0 where an action is allowed; None allows all.
        visited: Takes the place of the rows: inputs and carry of the policy's step,
            (S, N, ...) each, some or all of them met by the policy itself.
    """

    observations: Tensor
    dataset: str
    sha256: str
    seeds: tuple[int, ...]
    world: "World | None" = None
    logged: Logged | None = None
    legal: Tensor | None = None
    visited: Situation | None = None

    def situation(self, policy: Policy) -> Situation:
        """Inputs and carry of the policy's step on these rows, (S, N, ...) each.

        A policy that is played with noise gets the same noise each time.
        """
        if self.visited is not None:
            return self.visited
        inputs, carry = (
            {name: x.expand(policy.seeds, *x.shape) for name, x in side.items()}
            for side in self._logged(policy)
        )
        return inputs, carry

    def states(self, policy: Policy) -> Tensor:
        """Observations (S, N, O) to calibrate a policy on, units of the world."""
        if self.visited is not None:
            return self.visited[0]["observation"]
        return self.observations.expand(policy.seeds, -1, -1)

    def with_visits(self, policy: Policy, states: str) -> "Rows":
        """The same with ``states`` of :class:`VisitingParams` obeyed.

        Raises:
            RefusedError: If only visited states are asked for and there is no world.
        """
        self.check_world(states)
        if self.world is None or states == "data":
            return self
        count = len(self.observations)
        half = count - count // 2 if states == "both" else 0
        met = visits(self.world, policy, self.seeds, "calibration", count - half)
        logged = cut(self.situation(policy), slice(half))
        return replace(self, visited=mixed(logged, met) if half else met)

    def check_world(self, states: str) -> None:
        """Refuse to visit states alone where there is no world to play in."""
        if self.world is None and states == "visited":
            raise RefusedError(
                *(PARAMS, "states", states, "data: this dataset has no world to play"),
                "set states to data, or to both, for this compressor",
            )

    def _logged(self, policy: Policy) -> Situation:
        """The rows' inputs and carry, without the axis [S]."""
        inputs = {"observation": self.observations}
        carry: dict[str, Tensor] = {}
        if self.logged is not None:
            inputs, carry = policy.recall(self.logged)
        if "legal" in policy.inputs():
            shape = (len(self.observations), policy.action_width)
            inputs["legal"] = torch.ones(shape) if self.legal is None else self.legal
        if policy.acting == "normal":
            wide = (len(self.observations), policy.inputs()["noise"])
            inputs["noise"] = torch.randn(wide, generator=generator(0, "rows' noise"))
        return inputs, carry


def check_rows(policy: Policy, observations: Tensor) -> None:
    """Refuse calibration rows that a policy cannot read.

    Args:
        policy: Who reads them.
        observations: (N, O), units of the world.

    Raises:
        RefusedError: If they are empty, not finite or of another width.
    """
    where, mend = "calibration rows", "make the dataset again with: dvc repro"
    width = policy.observation_width
    if observations.ndim != 2 or observations.shape[1] != width:
        shape = tuple(observations.shape)
        raise RefusedError(where, "shape", shape, f"(rows, {width})", mend)
    if len(observations) == 0:
        raise RefusedError(where, "rows", 0, "at least one", mend)
    bad = int((~torch.isfinite(observations)).any(1).sum())
    if bad:
        raise RefusedError(
            where, "values", f"NaN or infinity in {bad} rows", "finite numbers", mend
        )
