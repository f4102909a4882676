"""What every learner's weights were after fifty updates, before its engine changed.

    python -m tests.train.fifty [NAME...]

writes ``fifty_updates/NAME.safetensors`` of all cases, or of those named: every tensor
of the learner's state after 50 updates (``weight/<its name>``) and the metrics of the
first update, (S,) each (``loss/<its name>``). The files in git were written before the
engine's layers had kernels of their own. They are written again only where a change of
numbers is meant, and for the learner it is meant for.

Networks, data and batches are those of the tests' harness: 2 seeds, 16 rows.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from tasks.train.engine.minibatches import batches

from . import harness, test_bc_resnet, test_dt
from .choose import choices

FOLDER = Path(__file__).parent / "fifty_updates"
UPDATES, BATCH = 50, 16
# the files were written when all observations were normalised
SCALED = {"normalise": "observations"}
# EDAC's action gradients jump where a unit starts or stops, and with ten critics the
# last bit of some row decides that within fifty updates
CALM = {"members": 3, "eta": 0.1, **SCALED}
TIMES = {"time_width": 4, "average_from": 0, **SCALED}


class Case(NamedTuple):
    """A learner, what it learns from, and which of its parameters are not its own."""

    learner: str
    data: Any = None
    override: dict[str, Any] | None = None


CASES = {
    **{name: Case(name) for name in ("awac", "bc", "bc10", "cql", "iql", "riql")},
    **{name: Case(name) for name in ("sac", "td3_bc", "xql")},
    **{name: Case(name, None, SCALED) for name in ("rebrac", "sac_n")},
    **{name: Case(name, None, TIMES) for name in ("dql", "ofql")},
    **{name: Case(name, choices()) for name in ("dqn", "discrete_cql")},
    "bc_resnet": Case("bc_resnet", test_bc_resnet.pictures(), test_bc_resnet.SMALL),
    "edac": Case("edac", None, CALM),
    "dt": Case("dt", None, test_dt.SMALL),
    "bc-discrete": Case("bc", choices()),
    "iql-discrete": Case("iql", choices()),
    "iql-gaussian": Case("iql", None, {"policy": "gaussian"}),
    "cql-lagrange": Case("cql", None, {"lagrange": True, "max_target": True}),
    "dql-backup": Case("dql", None, {**TIMES, "max_q_backup": True, "clip_norm": 0.5}),
}


def fifty(name: str) -> dict[str, Tensor]:
    """Run a case; the tensors of its file."""
    learner, data, override = CASES[name]
    data = data or harness.transitions()
    trained = harness.make(learner, updates=UPDATES, data=data, **override or {})
    sample = batches(trained, data, BATCH)
    losses = trained.update(sample(0), 0)
    for step in range(1, UPDATES):
        trained.update(sample(step), step)
    weights = trained.state_dict().items()
    return {f"loss/{metric}": value.clone() for metric, value in losses.items()} | {
        f"weight/{tensor}": value.clone().contiguous() for tensor, value in weights
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in sys.argv[1:] or CASES:
        save_file(fifty(case), FOLDER / f"{case}.safetensors")
