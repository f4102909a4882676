"""The bed of the claim ``quest``: small language models trained at few bits.

Every arm of the comparison sees the same text, from the same start, and is judged by
the text held out; see ``language.py`` for the model and ``arms.py`` for what is
measured of it. The published method, QuEST (Panferov et al. 2025, arXiv 2502.05003),
and its equations stand in ``tasks/nets/quest.py``.

A job is an arm at a number of bits, all seeds in one stack. Its result:

* ``loss``: nats a character held out, a seed;
* ``halves``: the same of every other window, from the first and from the second on;
* of ``float``, ``trivial``: the same where a character is guessed by the one before;
* of ``float``, ``alignment``: by the name of an arm of few bits, the cosine between its
  gradient and the float one, a seed;
* of ``float`` and ``quest``, of the first seed: ``bytes`` of its ONNX file, and the
  loss that ``onnx`` and ``torch`` find on the same windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any

from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, OneOf, Range
from tasks.beds import Bed, BedParams, Job, Report
from tasks.beds.quest.arms import measure
from tasks.beds.quest.language import ARMS, Arm, Settings, Text, read_text

SCHEDULE = ("arms", "bits", "beside")  # parameters that say which arms there are
BESIDE = ("quest", "lsq")
COMPARED = ("quest", "ste")  # their gradients, with the float ones
FEW_BITS = tuple(name for name in ARMS if name != "float")


@dataclass(frozen=True)
class QuestBedParams(BedParams):
    """Which arms, and the language model all of them train.

    Units and ranges stand in params/beds/quest.yaml.
    """

    arms: Annotated[tuple[str, ...], OneOf(FEW_BITS), Distinct(1)]
    bits: Annotated[tuple[float, ...], Range(1, 8), Distinct(1)]
    beside: Annotated[tuple[float, ...], Range(1, 8), Distinct()]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    steps: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    rate: Annotated[float, Range(0, 1, open=True)]
    width: Annotated[int, Range(16, 65_536)]
    heads: Annotated[int, Range(1, 1000)]
    layers: Annotated[int, Range(1, 1000)]
    context: Annotated[int, Range(2, 65_536)]
    block: Annotated[int, Range(16, 65_536)]
    windows: Annotated[int, Range(1, 10**6)]

    def settings(self) -> Settings:
        """What all arms share."""
        names = Settings.__dataclass_fields__
        return Settings(**{name: getattr(self, name) for name in names})


class QuestBed(Bed[QuestBedParams]):
    """Trains every arm, the float network among them."""

    @cached_property
    def text(self) -> Text:
        """What is learned and what is held out."""
        return read_text()

    def inputs(self) -> Mapping[str, str]:
        """The text, which differs between versions of Python."""
        return {"text": self.text.sha256}

    def jobs(self) -> Sequence[Job]:
        """The float network; every arm at ``bits``; QuEST and LSQ at ``beside``."""
        p = self.params
        arms = [Arm("float", 32)]
        arms += [Arm(name, bits) for bits in p.bits for name in p.arms]
        arms += [Arm(name, bits) for bits in p.beside for name in BESIDE]
        return [self._job(arm) for arm in arms]

    def _job(self, arm: Arm) -> Job:
        compared = [asdict(other) for other in self._compared(arm)]
        settings = {**asdict(arm), **({"compared": compared} if compared else {})}
        return Job(str(arm), settings, SCHEDULE)

    def _compared(self, arm: Arm) -> list[Arm]:
        """Arms whose gradients are compared with those of the trained float network."""
        if arm.name != "float":
            return []
        return [Arm(name, b) for b in self.params.bits for name in COMPARED]

    def run(self, job: Job, report: Report) -> Any:
        """Train an arm and measure it."""
        arm = Arm(job.settings["name"], job.settings["bits"])
        given = self.params.settings()
        return measure(arm, self._compared(arm), given, self.text, report)

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Read the text before the processes that share it begin."""
        del jobs, kept
        assert self.text  # noqa: S101  # cached
