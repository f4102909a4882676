"""Whether critics were trained for long enough to know what the data is worth.

At every update critics close a share of the gap to their fixed point; with targets that
move by polyak, every policy_delay updates, they have learned about

    share = updates x polyak x (1 - discount) / policy_delay

of a horizon after a training, and 1 - exp(-share) of the value: 0.2 is 18 %, 1.5 is
78 %. Beside it stands the value they ended with, over the data's own: its mean
discounted return-to-go, in the learner's own scale of rewards.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks.artifacts.curves import Horizon, undertrained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.artifacts.transitions import Transitions
    from tasks.train import Learner
    from tasks.train.engine.loop import Curves

VALUE = "value"  # the column of the curves
COMPLETE = 0.05  # of a return's weight, the most that may lie beyond a truncation


def horizon(
    learner: "Learner[Any]",
    block: Mapping[str, Any],
    data: "Transitions",
    curves: "Curves",
) -> Horizon | None:
    """How far the critics of a training came; None for a learner without any.

    Args:
        learner: Trained; its slices are seeds of one configuration.
        block: Its parameters.
        data: The dataset it was trained on.
        curves: Of the training; the last rows count.
    """
    share = horizon_share(learner.updates, block)
    if VALUE not in curves.columns or share is None:
        return None
    returns = torch.as_tensor(data.returns, dtype=torch.float64)
    reward = learner.rewards(torch.as_tensor(data.reward), returns).double().numpy()
    worth = data_value(reward, data, float(block["discount"]))
    at = curves.columns.index(VALUE)
    last = [row[at] for row in curves.rows if row[0] == curves.rows[-1][0]]
    return Horizon(share=share, value=float(np.mean(last)), data_value=worth)


def horizon_share(updates: int, block: Mapping[str, Any]) -> float | None:
    """The share of a horizon that critics can learn; None without target critics.

    Args:
        updates: Of the training.
        block: The learner's parameters.
    """
    if "polyak" not in block or "discount" not in block:
        return None
    pace = float(block["polyak"]) * (1 - float(block["discount"]))
    return updates * pace / float(block.get("policy_delay", 1))


def data_value(
    reward: "NDArray[np.float64]", data: "Transitions", discount: float
) -> float:
    """Mean discounted return-to-go of the logged steps.

    What came after a truncation is unknown, so steps are left out of which more than
    5 % of a constant reward's return lies beyond it, unless no others are left.

    Args:
        reward: (N,), in the learner's scale.
        data: The dataset.
        discount: Per step, in [0, 1].
    """
    rows = np.arange(len(reward))
    last = np.flatnonzero(np.append(data.episode[1:] != data.episode[:-1], True))
    ends = last[np.searchsorted(last, rows)]  # the last step of each step's episode
    left = ends - rows  # steps that follow
    lengths = np.diff(last, prepend=-1)
    to_go = np.zeros(len(reward))
    for back in range(int(lengths.max())):  # all episodes at once, from their ends
        at = last[lengths > back] - back
        to_go[at] = reward[at] + (discount * to_go[at + 1] if back else 0.0)
    complete = data.terminated[ends] > 0
    if 0 < discount < 1:
        complete |= left >= math.log(COMPLETE) / math.log(discount)
    return float(to_go[complete].mean() if complete.any() else to_go.mean())


def words(policy: str, reached: Horizon) -> str:
    """A line for the log."""
    late = "; UNDERTRAINED" if undertrained(reached) else ""
    return (
        f"{policy}: {reached['share']:.2g} of the critics' horizon, value "
        f"{reached['value']:.4g} where the data's is {reached['data_value']:.4g}{late}"
    )
