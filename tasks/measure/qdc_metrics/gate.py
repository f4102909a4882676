"""The gate: a dataset that is degenerate goes no further.

Thresholds are least values by letter and figure, e.g. ``quality: {valid: 0.99}``. What
is unavailable is not judged.
"""

from collections.abc import Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown
from tasks.artifacts.params import PARAMS, check_known, check_mapping
from tasks.measure.qdc_metrics.figures import Measure
from tasks.statistics.composition import LETTERS

FIGURES = {
    "quality": ("score", "top", "success", "valid", "dynamics", "rewards"),
    "diversity": (
        *("vendi", "cosine", "neighbour", "spread", "coverage", "cell_entropy"),
        *("state_coverage", "action_entropy", "novelty", "qd_score"),
    ),
    "complexity": ("bits", "length", "horizon", "switching", "ifd", "dimension"),
}
LARGEST = 1e9
WHERE = "measure.qdc_metrics.gate"


def check_thresholds(gate: Mapping[str, Any]) -> None:
    """Refuse thresholds of figures there are not.

    Raises:
        RefusedError: Also if one is no number.
    """
    for letter, least in gate.items():
        check_known(letter, LETTERS, "gate")
        check_mapping(least, f"gate.{letter}")
        for name, value in least.items():
            check_known(name, FIGURES[letter], f"gate.{letter}")
            if not fits(value, float) or abs(value) > LARGEST:
                field, mend = f"gate.{letter}.{name}", "the least allowed value"
                raise RefusedError(PARAMS, field, shown(value), "a number", mend)


def check_gate(
    figures: Mapping[str, Mapping[str, Measure]],
    gate: Mapping[str, Mapping[str, float]],
    where: object,
) -> list[str]:
    """Hold a dataset's figures against the thresholds.

    Args:
        figures: By letter and name.
        gate: Least values, by letter and name.
        where: The dataset, for errors.

    Returns:
        Names of the figures that were judged.

    Raises:
        RefusedError: Naming the first figure below its threshold.
    """
    judged = []
    for letter, least in gate.items():
        for name, bound in least.items():
            value = figures[letter][name].value
            if value is None:
                continue
            judged.append(f"{letter}.{name}")
            if value < bound:
                raise RefusedError(
                    where,
                    f"{letter}.{name}",
                    f"{value:.4g}",
                    f"at least {bound:g}",
                    f"mend what makes the data, or lower {WHERE}.{letter}.{name}",
                )
    return judged
