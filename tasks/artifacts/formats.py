"""What the JSON files between the stages hold, as far as later stages read them.

One type a file; ``typed_json.py`` checks them. A key that cannot be written as a name,
``return``, stands in a block of its own above the type that has it.

Numbers are bounded far outside of what any study reaches, so that a sum, a ratio or a
picture of them stays finite.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from tasks.artifacts.params import Range

LARGEST = 1e15
Number = Annotated[float, Range(-LARGEST, LARGEST)]
Size = Annotated[float, Range(0, LARGEST)]
Some = Annotated[float, Range(1e-3, LARGEST)]  # what others are divided by
Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, LARGEST)]
Least = Annotated[int, Range(1, LARGEST)]
Seed = Annotated[int, Range(0, 2**31 - 1)]


class Middle(TypedDict):
    """A figure over seeds and episodes, with the interval of its IQM."""

    mean: Number
    iqm: Number
    low: Number
    high: Number


class ActionError(TypedDict):
    """How far actions are apart."""

    mean: Size
    max: Size


class ActionErrors(TypedDict):
    """How far a variant's actions are from its float32 files', as far as was told."""

    data: NotRequired[ActionError]
    visited: NotRequired[ActionError]


class SeedMean(TypedDict):
    """What one training seed's episodes came to."""

    seed: Seed
    mean: Number


class SeedRegret(TypedDict):
    """How much less one trial's file is worth than the best policy."""

    seed: Seed
    regret: Size


class Regret(TypedDict):
    """How much less files are worth than the best policy: smaller is better."""

    unit: str
    replicate: str
    n: Least
    computed: str
    optimum: Number
    mean: Size
    low: Number
    high: Number
    per_seed: list[SeedRegret]


_Played = TypedDict("_Played", {"return": Middle})


class Evaluation(_Played):
    """``metrics.json`` of stage evaluate."""

    dataset: str
    learner: str
    variant: str
    mode: str
    episodes: Least
    seeds: list[Seed]
    score: Middle
    per_seed: list[SeedMean]
    action_error: NotRequired[ActionErrors]  # of compressed variants
    regret: NotRequired[Regret]  # of tables
    episodes_sha256: str
    kind: NotRequired[str]  # of estimates, which evaluations do not call themselves
    method: NotRequired[str]
    session: NotRequired[dict[str, Any]]


class Learning(TypedDict):
    """``metrics.json`` of stage learning."""

    dataset: str
    learner: str
    seeds: list[Seed]
    last: Middle
    best: Middle
    returns_sha256: str


class Layer(TypedDict):
    """One layer of a compressed policy."""

    name: str
    kind: str
    shape: list[Count]
    bits: Size
    bytes: Count
    error: list[Size] | None


class Calibration(TypedDict):
    """Rows a compressor looked at."""

    dataset: str
    rows: Count
    what: str


class Epoch(TypedDict):
    """How one seed's training went in one epoch; ``inside`` is AdaDFQ's."""

    seed: Seed
    epoch: Count
    inside: NotRequired[Share]


class Compression(TypedDict):
    """``compression.json``."""

    bits_nominal: Size
    layers: list[Layer]
    parameters: Least
    parameters_before: Least
    bytes_weights: Least
    bytes_weights_before: Least
    calibration: Calibration | None
    action_error: ActionError
    course: NotRequired[list[Epoch]]


class Static(TypedDict):
    """``static.json`` of stage profile."""

    bytes: Some
    parameters: Count
    operators: dict[str, Count]
    initialisers: dict[str, Count]


class Timed(TypedDict):
    """Latencies of one batch size, microseconds."""

    p50_us: Some
    p99_us: Some
    spread: NotRequired[Size]  # of the rounds' medians, as a share of p50_us


class Job(TypedDict):
    """What came of one job of a bed; its claim describes settings and result."""

    name: str
    settings: dict[str, Any]
    result: Any


class Bed(TypedDict):
    """``results.json`` of a bed."""

    bed: str
    parameters: dict[str, Any]
    jobs: list[Job]


class Machine(TypedDict):
    """Where latencies were measured."""

    cpu: str
    cores: Count | None


class Batches(TypedDict):
    """Latencies by batch size of the ONNX file of a hash."""

    batches: dict[str, Timed]
    onnx_sha256: str


class Latency(Batches):
    """``latency.json`` of stage profile."""

    machine: Machine
    load: NotRequired[Size]
    onnxruntime: str
    threads: Count
    mode: NotRequired[str]
    repeats: Count


class Named(TypedDict):
    """A dataset that something was made from."""

    name: str
    sha256: str


class Parity(TypedDict):
    """Difference between torch and onnxruntime."""

    max: Size


class Planned(TypedDict):
    """What a contract says of its sampler."""

    plan_sha256: str


class Adopted(TypedDict):
    """What a contract says of a policy that was trained elsewhere."""

    format: str
    sha256: str
    verified: str


class Learned(TypedDict):
    """What a contract says of a policy that learned in its world.

    ``data_share`` of each batch was the dataset's, where any was.
    """

    steps: Size
    states: NotRequired[Least]  # of a table
    data_share: NotRequired[Share]


class Contract(TypedDict):
    """``seed-<k>.json`` beside an ONNX file, as far as results are read."""

    dataset: Named
    seed: Seed
    weights_sha256: str
    statistics_sha256: str
    onnx_sha256: str
    parity: Parity
    sampler: NotRequired[Planned | None]
    adopted: NotRequired[Adopted]
    learned: NotRequired[Learned]


class Plan(TypedDict):
    """A sampler's plan of one seed."""

    seed: Seed
    spec: dict[str, Any]


class Fine(TypedDict):
    """The sampler that others are compared with."""

    calls: Least


class Sampler(TypedDict):
    """``sampler.json`` of stage sample."""

    sampler: str
    calls: Least
    fine: Fine
    action_error: ActionError
    seeds: list[Plan]
