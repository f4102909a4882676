"""Gates: whether a bed can show an effect at all, asked before any verdict."""

from math import inf, sqrt

from tasks.claims import Figure, Gate

ERRORS = 3.0  # standard errors of headroom


def competence(figure: Figure, bound: float = 0.0) -> Gate:
    """That the positive control beats what is trivial by a whole interval.

    Args:
        figure: The control minus what is trivial.
        bound: What its interval must lie above, in the figure's unit.
    """
    rule = f"above {bound:g} by its whole interval"
    return Gate("competence", figure, rule, figure.low > bound)


def headroom(figure: Figure) -> Gate:
    """That there is something to gain: 3 standard errors from baseline to control.

    Args:
        figure: The positive control minus the baseline; exact, or of replicates.

    Raises:
        ValueError: If its deviation is unknown.
    """
    if figure.exact:
        return Gate("headroom", figure, "above 0", figure.value > 0)
    if figure.sd is None:
        raise ValueError(f"{figure.name} has no deviation")
    error = figure.sd / sqrt(figure.n)
    rule = f"at least {ERRORS:g} standard errors, {ERRORS * error:.4g}"
    passed = figure.value > 0 and figure.value >= ERRORS * error
    return Gate("headroom", figure, rule, passed)


def within(figure: Figure, low: float = -inf, high: float = inf) -> Gate:
    """That a figure lies neither on the floor nor at the ceiling.

    Args:
        figure: E.g. the score of the baseline, or the share of episodes that fell.
        low: The floor, which it must exceed, in its unit.
        high: The ceiling, which it must stay below.
    """
    ends = [f"above {low:g}"] * (low > -inf) + [f"below {high:g}"] * (high < inf)
    return Gate("range", figure, " and ".join(ends), low < figure.value < high)


def noise(figure: Figure, smallest: float) -> Gate:
    """That two measurements of the same thing differ by less than what is looked for.

    This is the negative control: identical arms, the effect off, labels shuffled.

    Args:
        figure: The difference of the two, in the primary's unit.
        smallest: The smallest effect worth seeing.
    """
    rule = f"between {-smallest:g} and {smallest:g}"
    return Gate("noise", figure, rule, abs(figure.value) < smallest)
