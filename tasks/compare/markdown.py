"""The comparison as Markdown: what an orchestrator or a pull request shows."""

import re
from collections.abc import Iterable, Sequence

from tasks.compare.content import Content
from tasks.compare.differences import Table
from tasks.compare.headline import change, named
from tasks.compare.revision import Key
from tasks.report.cores import words

LISTED = 20  # names and parameters; the page has all
ACTIVE = re.compile(r"([\\`*_\[\]<>|#~])")  # characters Markdown or HTML reads


def summary(v: Content) -> str:
    """The whole text.

    Args:
        v: What the page shows.
    """
    baseline = v.baseline.name
    others = ", ".join(versus.revision.name for versus in v.versus)
    parts = [f"# {plain(others)} against {plain(baseline)}", ""]
    parts += [
        f"- **{plain(a.name)}** {plain(a.sentence[len(a.name) :])}" for a in v.headlines
    ]
    parts += ["", f"Beside the results, what differs: {v.causes}.", ""]
    for line in warnings(v):
        parts += [f"**Warning:** {plain(line)}", ""]
    parts += _results(v)
    parts += _unpaired(v)
    parts += _estimates(v)
    parts += _metrics(v)
    parts += _missing(v)
    parts += _made_by(v)
    parts += _differing("Parameters that differ", v.params, v)
    parts += _differing("Package versions that differ", v.packages, v)
    parts += [
        "Scores: 0 random, 100 best behaviour policy. Differences are paired by "
        f"episode, with {words.percent(v.confidence)} intervals.",
        "",
    ]
    return "\n".join(parts)


def warnings(v: Content) -> list[str]:
    """Revisions whose results are not their own."""
    return [
        f"{name}: dvc.lock is older than the revision; its numbers were not made with "
        f"{', '.join(changed)} as there"
        for name, changed in v.stale
    ]


def plain(value: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return ACTIVE.sub(r"\\\1", " ".join(str(value).split())).replace("\\<", "&lt;")


def row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table and an empty line; nothing where there is no row."""
    body = [row(cells) for cells in rows]
    return [row(map(plain, head)), row("---" for _ in head), *body, ""] if body else []


def _names(keys: Sequence[Key], v: Content) -> str:
    """The first of many names."""
    said = ", ".join(plain(named(key, v.alone)) for key in keys[:LISTED])
    more = len(keys) - LISTED
    return f"{said} and {more} more" if more > 0 else said


def _results(v: Content) -> list[str]:
    """A row a variant, a column a revision."""
    head = ["policy", v.baseline.name, *(versus.revision.name for versus in v.versus)]
    rows = []
    for section in v.sections:
        for line in section.rows:
            cells = [plain(named(line.key, v.alone)), words.number(line.level.mean)]
            for cell in line.cells:
                pair = cell.pair
                cells.append(
                    f"**{pair.verdict.word}** {change(pair)}" if pair else "not paired"
                )
            rows.append(cells)
    return table(head, rows)


def _unpaired(v: Content) -> list[str]:
    """What could not be paired, by reason."""
    rows = [
        [plain(name), plain(reason), _names(keys, v)]
        for name, reason, keys in v.unpaired
    ]
    lines = table(["revision", "why", "policies"], rows)
    return ["## Not paired", "", *lines] if lines else []


def _estimates(v: Content) -> list[str]:
    """Estimates, which are not ranked beside returns."""
    rows = []
    for estimate in v.estimates:
        said = [
            words.number(float(value["middle"])) if value and "middle" in value else "—"
            for value in estimate.values
        ]
        methods = plain(", ".join(estimate.methods) or "—")
        rows.append([plain(named(estimate.key, v.alone)), methods, *said])
    lines = table(
        ["policy", "estimator", *(revision.name for revision in v.revisions)], rows
    )
    about = "No world was played; these are not comparable with the scores above."
    return ["## Estimates", "", about, "", *lines] if lines else []


def _metrics(v: Content) -> list[str]:
    """Metrics of predictors."""
    rows = [
        [
            plain(named(row.key, v.alone)),
            plain(row.metric),
            *(words.short(one["mean"]) if one else "—" for one in row.values),
        ]
        for row in v.metrics
    ]
    lines = table(
        ["predictor", "metric", *(revision.name for revision in v.revisions)], rows
    )
    return ["## Metrics", "", *lines] if lines else []


def _made_by(v: Content) -> list[str]:
    """Methods whose parameters or code differ, by what the contracts state."""
    rows = [
        [plain(change.revision), plain(change.what), _names(change.keys, v)]
        for change in v.made_by
    ]
    lines = table(["revision", "what differs", "policies"], rows)
    return ["## Made differently", "", *lines] if lines else []


def _missing(v: Content) -> list[str]:
    """What could not be read, with the command that makes it."""
    rows = [
        [
            plain(revision.name),
            plain(gap.path),
            plain(gap.why),
            f"`{_code(gap.command)}`",
        ]
        for revision in v.revisions
        for gap in revision.lacks
    ]
    lines = table(["revision", "what", "why", "make it with"], rows)
    return ["## Missing", "", *lines] if lines else []


def _code(command: str) -> str:
    """Text inside backticks of a table."""
    return command.replace("`", "'").replace("|", "\\|")


def _differing(title: str, compared: Table, v: Content) -> list[str]:
    """The first lines that differ."""
    lines = compared.differing
    rows = [[plain(line.name), *map(plain, line.values)] for line in lines[:LISTED]]
    body = table(["", *(revision.name for revision in v.revisions)], rows)
    more = [f"and {len(lines) - LISTED} more", ""] if len(lines) > LISTED else []
    return [f"## {title}", "", *body, *more] if body else []
