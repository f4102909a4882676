"""Report: everything a study measured becomes one page, and numbers DVC can compare.

A method's file defines one :class:`Report`. It gets the collected study and its judged
rows (``engine/collect.py``, ``engine/judge.py``), reads and writes no file itself, and
returns the page's text. The command writes:

| file | holds | DVC |
|---|---|---|
| ``data/report/metrics.json`` | a dozen numbers: best, what to ship | metrics |
| ``data/report/table.json`` | numbers by dataset, learner, variant | output |
| ``data/report/ship/`` | the file to ship of each dataset | output, artifact |
| ``data/report/plots/*.csv`` | what the pictures draw, apart from time | plots |
| ``data/report/index.html`` | the page, latencies included | not an output |

Latency changes from run to run, so only the page holds it: all others have the same
bytes whenever the results have.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.artifacts.method import Method, P

if TYPE_CHECKING:
    from tasks.report.engine.collect import Study
    from tasks.report.engine.judge import Row


class Report(Method[P], ABC):
    """One way to show a study.

    Args:
        params: The method's parameters.
    """

    @abstractmethod
    def page(self, study: "Study", rows: "Sequence[Row]") -> str:
        """The whole page.

        Args:
            study: What was collected.
            rows: One a variant of each learner, judged, in the order of the study.
        """
