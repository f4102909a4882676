"""What the JSON files about a dataset hold, as far as later stages read them.

Its card, and what is measured, weighed and estimated of it; ``formats.py`` has those of
policies.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from tasks.artifacts.formats import Count, Least, Number, Seed, Share, Size
from tasks.artifacts.params import Range


class Histogram(TypedDict):
    """Counts between edges, one more than counts."""

    edges: list[Number]
    counts: list[Count]


class Spread(TypedDict):
    """Figures of each dimension."""

    min: list[Number]
    mean: list[Number]
    max: list[Number]
    std: list[Size]


class CardReturn(TypedDict):
    """Returns of a dataset's episodes."""

    min: Number
    mean: Number
    median: Number
    max: Number
    histogram: Histogram


class Length(TypedDict):
    """Steps of a dataset's episodes."""

    mean: Size


class Coverage(TypedDict):
    """How much of its own plane a dataset fills."""

    share: Share
    occupied: Count
    cells: Least


class Source(TypedDict):
    """What one policy gave to a dataset."""

    name: str
    episodes: Count
    steps: Count
    return_mean: Number


_Recorded = TypedDict("_Recorded", {"return": CardReturn})


class Card(_Recorded):
    """``card.json`` of a dataset."""

    dataset_id: str
    env_id: str
    episodes: Least
    steps: Least
    score_mean: Number
    length: Length
    terminated: Share
    truncated: Share
    observation: Spread
    action: Spread
    coverage: Coverage
    sources: list[Source]
    sha256: str


class Interval(TypedDict):
    """An estimate with its interval."""

    mean: Number
    low: Number
    high: Number


class Mean(TypedDict):
    """A mean alone."""

    mean: Number


class Logged(TypedDict):
    """Mean returns of the logged episodes themselves."""

    discounted: Number
    undiscounted: Number


class Effective(TypedDict):
    """Episodes that are left of a weighted sum."""

    at_end: Size


class Estimate(TypedDict):
    """``metrics.json`` of stage estimate."""

    kind: str
    method: str
    variant: str
    noise: Size
    discount: Share
    episodes: Least
    dataset_sha256: str
    discounted: Interval
    undiscounted: Mean | None
    logged: Logged
    effective: NotRequired[list[Effective]]


_Excess = TypedDict("_Excess", {"return": Size})


class Room(_Excess):
    """Positive-sided variance, of returns and of scores / 100."""

    score: Size


class Drawn(TypedDict):
    """A mean over transitions, as they lie there and as they are drawn."""

    uniform: Number
    weighted: Number


class Weighed(TypedDict):
    """What weights are of, and which."""

    dataset_sha256: str
    weights_sha256: str


class Weights(Weighed):
    """``weights.json`` of stage weigh."""

    params: dict[str, Any]
    v_plus: Room
    effective_sample_size: Share
    mean_return: Drawn
    start_return: Drawn | None


class Measured(TypedDict):
    """A figure of a dataset that could be given."""

    value: Number
    low: Number
    high: Number
    n: Count
    family: str
    sign: Annotated[int, Range(-1, 1)]
    why: NotRequired[str]


class Unavailable(TypedDict):
    """A figure of a dataset that could not."""

    value: None
    n: Count
    family: str
    why: NotRequired[str]


Figures = dict[str, Measured | Unavailable]


class Letters(TypedDict):
    """A dataset's figures by name."""

    quality: Figures
    diversity: Figures
    complexity: Figures


class Qdc(Letters):
    """``metrics.json`` of stage measure."""

    dataset_sha256: str
    world: str
    peers: list[str]
    episodes: Least
    steps: Least
    seed: Seed
    bandwidth: Size
    confidence: Share
    reference: str
    gate: list[str]
