"""Numbers as people read them."""

import math

THIN, MINUS = "\u202f", "\u2212"
MEANINGS = {  # of verdicts, best first
    "IMPROVED": "better: the whole interval lies above 0",
    "HELD": "not worse by more than the margin: the interval lies above it",
    "UNDERPOWERED": "the interval is too wide to tell: more episodes are needed",
    "SUSPECT": "worse, and the interval does not say whether by more than the margin; "
    "or one training seed regressed by itself",
    "REGRESSED": "worse by more than the margin",
    "BRITTLE PARENT": "the parent itself falls in a tenth of its episodes or more; any "
    "small change then decides an episode, and the difference says little of the "
    "compressor",
}
SAME = 0.03  # a latency ratio nearer to 1 than this is called the same


def number(value: float, digits: int = 1) -> str:
    """Fixed digits, a real minus, thousands set apart."""
    text = f"{value:,.{digits}f}".replace(",", THIN).replace("-", MINUS)
    return text[1:] if text.strip(f"{MINUS}0.") == "" and text[0] == MINUS else text


def signed(value: float, digits: int = 1) -> str:
    """As :func:`number`, with the plus sign."""
    text = number(value, digits)
    return text if text[0] == MINUS or not text.strip("0.") else f"+{text}"


def interval(low: float, high: float, digits: int = 1) -> str:
    """An interval in brackets."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def short(value: float) -> str:
    """Three significant digits, for ticks and errors."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "—"
    if 0.001 <= abs(value) < 100_000:
        places = max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{places}f}".replace(",", THIN)
        return (text.rstrip("0").rstrip(".") if "." in text else text).replace(
            "-", MINUS
        )
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("-", MINUS)


def kilobytes(count: float) -> str:
    """Bytes as kB (1 000 bytes), MB past a thousand of them."""
    if count >= 1e6:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e3:.1f} kB" if count < 1e5 else f"{count / 1e3:.0f} kB"


def ratio(value: float) -> str:
    """A ratio of sizes."""
    return f"{value:.2f}x"


def pace(latency: float, parent: float) -> str:
    """A latency against the parent's, in words."""
    if abs(latency / parent - 1) < SAME:
        return "same speed"
    if latency > parent:
        return f"{latency / parent:.2f}x slower"
    return f"{parent / latency:.2f}x faster"


def micro(value: float) -> str:
    """Microseconds without unit."""
    return f"{value:.1f}" if value < 100 else number(value, 0)


def percent(share: float) -> str:
    """A share in percent, three digits."""
    return f"{short(100 * share)}{THIN}%"
