"""Beds: what a claim looks at that no study's graph carries.

A study trains policies, compresses and plays them. Some claims need more: a small
language model at several numbers of bits, nine datasets of one archive, samplers where
the network is known exactly. A bed makes that, as a list of jobs; the claim then only
reads what came of them.

Jobs run side by side. Each one's result is kept as soon as it is there, so a bed that
was killed goes on with the jobs that are left, and a bed of which one parameter changed
repeats only the jobs that depend on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.kept import Kept
from tasks.artifacts.method import Method
from tasks.artifacts.params import MEND, PARAMS, Params, Range, check_known, class_of

Report = Callable[[float], None]  # called with the share of a job that is done, 0..1


@dataclass(frozen=True)
class BedParams(Params):
    """What every bed says of itself; see params/beds/.

    Attributes:
        needs_dataset: Folder of a dataset the bed reads. ``environment.json``, which
            every stage of this kind depends on, stands for none.
        needs_policies: Folder of the policies it reads, likewise.
        processes: Jobs at once, a core each; changes speed only.
    """

    needs_dataset: str
    needs_policies: str
    processes: Annotated[int, Range(1, 64)]


@dataclass(frozen=True)
class Job:
    """One piece of a bed's work, whose result is kept by itself.

    Attributes:
        name: What a user sees, e.g. ``quest W2A2``; no other job of the bed has it.
        settings: Plain JSON; what sets this job apart from the bed's others. The claim
            finds results by it.
        ignores: Names of the bed's parameters and inputs that do not change this job's
            result. ``processes`` and the two paths never do and need not be named.
    """

    name: str
    settings: Mapping[str, Any]
    ignores: tuple[str, ...] = ()


def check_inner(
    blocks: Mapping[str, Any], classes: Mapping[str, Any], where: str = ""
) -> None:
    """Refuse a bed's own blocks of methods, unless they are those it plays.

    Args:
        blocks: By the name of the method.
        classes: That each of them has to name, by the same names.
        where: The dotted path the blocks stand at, for errors.
    """
    for name in blocks:
        check_known(name, classes, where, "an unknown key")
    for name, cls in classes.items():
        check_known(name, blocks, where, "nothing")
        field = f"{where}.{name}".lstrip(".")
        if class_of(blocks[name], field) is not cls:
            found, expected = blocks[name]["_target_"], f"the class {cls.__name__}"
            raise RefusedError(PARAMS, f"{field}._target_", found, expected, MEND)
        cls.Parameters.parse(blocks[name], field)


P = TypeVar("P", bound=BedParams)


class Bed(Method[P], ABC):
    """Makes what a claim looks at.

    Args:
        params: Of the study's block ``bed.<name>``.
    """

    def inputs(self) -> Mapping[str, str]:
        """Hashes of what jobs read beside the parameters, by names of the bed's own."""
        return {}

    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """What there is to do, in the order of the results."""

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Do once what several jobs need; their processes find it in ``self``.

        Args:
            jobs: Those whose results are not kept yet, at least one.
            kept: Where results are kept. What is put at one of its places outlives a
                run that is killed.
        """

    @abstractmethod
    def run(self, job: Job, report: Report) -> Any:
        """Do one job, in a process of its own.

        Args:
            job: One of :meth:`jobs`.
            report: To be told how far the job is.

        Returns:
            Plain JSON without NaN or infinities, and not None.
        """
