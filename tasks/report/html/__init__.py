"""One self-contained page: no outside reference, everything in it escaped.

The pictures are inline SVG, about 100 kB for a study where a plotting library alone
would be 4.5 MB, and films at most 0.75 MB; scripts only add hints, highlighting and
sorting, so the page reads and prints without them. A content security policy in the
page forbids every request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from tasks.artifacts.params import Params, Range
from tasks.report import Report
from tasks.report.cores.pictures import symbol
from tasks.report.cores.template import page_environment
from tasks.report.engine.collect import Study
from tasks.report.engine.judge import Row, kept
from tasks.report.html import costs, view
from tasks.report.html.films import films
from tasks.report.html.logs import drawn_estimates, log_section
from tasks.report.html.measured import compositions
from tasks.report.html.picking import pickings
from tasks.report.html.predicted import predicted_section
from tasks.report.html.regrets import regrets
from tasks.report.html.sweeps import sweeps


@dataclass(frozen=True)
class HtmlParams(Params):
    """How the page is shown.

    Attributes:
        hash_digits: Of each hash that are shown; the whole one is shown on hover.
        film: Seconds of the file to ship beside its parent; 0 plays and draws nothing.
    """

    hash_digits: Annotated[int, Range(8, 64)]
    film: Annotated[int, Range(0, 60)]


class Html(Report[HtmlParams]):
    """One HTML file with everything in it."""

    def page(self, study: Study, rows: Sequence[Row]) -> str:
        """Fill the template with a section a dataset."""
        template = page_environment().get_template("page.html.jinja")
        sections = [
            view.section(study, data, [r for r in rows if r.data is data])
            for data in study.datasets
        ]
        choices = [section.choice for section in sections if section.choice]
        every = [*rows, *(row for data in study.unplayed for row in kept(data))]
        return template.render(
            study=study,
            sections=sections,
            films=films(choices, self.params.film, study.acting),
            logs=[log_section(study, data) for data in study.logs],
            predicted=[predicted_section(study, data) for data in study.predicted],
            estimated=partial(drawn_estimates, study),
            compositions=compositions((*study.datasets, *study.logs)),
            sweeps=sweeps(study, rows),
            pickings=pickings(study, rows),
            regrets=regrets(study.datasets),
            unmeasured=costs.unmeasured(every),
            digits=self.params.hash_digits,
            symbol=symbol,
            pairs=view.pairs,
            key=costs.key,
            mean=view.mean_error,
            measured=costs.timed(every),
        )
