"""docs/claims.md, a table of all claims, and docs/claims/NAME.md, a page of each.

Both are written from ``data/claims``: ``NAME.json`` is what came of a claim and
``NAME.md``, where there is one, what somebody looked at afterwards. A claim of
``params/claims`` without a result, or whose result an earlier rule judged, says so and
has no verdict.
"""

from collections.abc import Iterable
from pathlib import Path

from tasks.artifacts.files import write_text
from tasks.artifacts.params import load
from tasks.claims import FEWEST, GATES, ClaimParams
from tasks.claims.engine.content import CLAIMS, Content, Measured, Primary, read
from tasks.statistics.replicates import needed

PARAMS = Path("params/claims")
TABLE, PAGES = Path("docs/claims.md"), Path("docs/claims")
HEAD = f"""# Claims

Each method's paper says it has an effect. A study shows that effect in miniature, or
does not. `make claim NAME=...` runs a claim's study, `make claims` those of all; both
write what came of it to `data/claims/` and, from there, this table and a page a claim
(so does `python -m tasks.claims --pages`, without running anything).

One primary check decides a claim: shown where its whole 95 % interval lies above the
bound, not shown where the whole interval lies below, else underpowered. The interval is
Student's, over n replicates (training seeds with their data, mixtures, networks),
{FEWEST} or more unless a pilot's deviation says that fewer are enough. Before that the
bed is asked whether it can show anything at all; where it cannot, the claim has no
verdict but "bed refused". Worlds, data, networks and budgets are smaller than the
papers', so figures of a paper stand beside ours as context alone.
"""
NOT_RUN = "not run yet"


def table(claims: Iterable[str]) -> str:
    """The text of docs/claims.md.

    Args:
        claims: The rows, in their order.
    """
    rows = ["| claim | statement | primary figure | 95 % interval | n | verdict |"]
    rows.append("|---|---|---|---|---|---|")
    return "\n".join([HEAD, *rows, *claims, ""])


def row(claim: Content) -> str:
    """A claim's row."""
    primary, name = claim["primary"], claim["claim"]
    cells = (
        f"[{name}](claims/{name}.md)",
        _cell(claim["statement"]),
        _cell(f"{primary['value']:.4g} {primary['unit']} (> {primary['bound']:g})"),
        _spread(primary),
        _cell(f"{primary['n']} {primary['of']}") if primary["n"] else "",
        f"**{claim['verdict']}**",
    )
    return f"| {' | '.join(cells)} |"


def row_of_plan(name: str, plan: ClaimParams) -> str:
    """The row of a claim that has not run."""
    link = f"[{name}](claims/{name}.md)"
    return f"| {link} | {_cell(plan.statement)} |  |  |  | {NOT_RUN} |"


def page(claim: Content, note: str = "") -> str:
    """The text of one claim's page.

    Args:
        claim: Content of its file.
        note: What was looked at afterwards, by hand or on other seeds.
    """
    seeds = ", ".join(map(str, claim["seeds"]))
    primary = claim["primary"]
    lines = [
        f"# {claim['claim']}",
        "",
        claim["statement"],
        "",
        f"**{claim['verdict'].capitalize()}.** Study `{claim['study']}`, seeds "
        f"{seeds}, {claim.get('wall_seconds', 0) / 60:.0f} minutes. All claims are in "
        "[the table](../claims.md), which says what a verdict means.",
        "",
        f"*The paper*: {claim['paper']}",
        "",
    ]
    if claim["refused"]:
        lines += ["The bed is refused, so the primary check has no verdict:", ""]
        lines += [*(f"- {_cell(reason)}" for reason in claim["refused"]), ""]
    lines += [
        "## The primary check",
        "",
        primary["measures"],
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        f"| {_cell(primary['name'])} > {primary['bound']:g} | {_numbers(primary)} |",
        "",
        _power(primary),
        "",
        "## What the bed was asked",
        "",
        f"| gate | {' | '.join(COLUMNS)} | expected | |",
        f"|{'---|' * (len(COLUMNS) + 3)}",
    ]
    for gate in claim["gates"]:
        kind = f"{gate['kind']}: {GATES.get(gate['kind'], '')}"
        said = "holds" if gate["passed"] else "**fails**"
        cells = (_cell(kind), _cell(gate["name"]), _numbers(gate), gate["rule"], said)
        lines.append(f"| {' | '.join(cells)} |")
    if claim["figures"]:
        lines += ["", "## What else was measured, judged by nobody", ""]
        lines += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [f"| {_cell(f['name'])} | {_numbers(f)} |" for f in claim["figures"]]
    if note:
        lines += ["", "## Looked at afterwards, without a verdict", "", note.strip()]
    return "\n".join(lines) + "\n"


def page_of_plan(name: str, plan: ClaimParams, note: str = "") -> str:
    """The text of the page of a claim that has not run."""
    lines = [
        f"# {name}",
        "",
        plan.statement,
        "",
        f"**{NOT_RUN.capitalize()}.** `make claim NAME={name}` runs it.",
        "",
        f"*The paper*: {plan.paper}",
        "",
        "## The primary check",
        "",
        plan.primary,
        "",
        f"It has to exceed {plan.bound:g}; the smallest excess worth seeing is "
        f"{plan.smallest:g}, the replicates planned are {plan.n}.",
    ]
    if note:
        lines += ["", "## Looked at afterwards, without a verdict", "", note.strip()]
    return "\n".join(lines) + "\n"


COLUMNS = ("measured", "", "95 % interval", "unit", "n")


def _power(primary: Primary) -> str:
    """What was planned, and what the deviations ask for."""
    smallest, unit = primary["smallest"], primary["unit"]
    said = [f"The smallest excess worth seeing is {smallest:g} {unit}."]
    deviations = {f"A pilot ({primary['pilot']})": primary["pilot_sd"]}
    deviations["This run"] = primary["sd"] or 0.0
    for who, sd in deviations.items():
        if sd:
            many = needed(sd, smallest)
            said.append(
                f"{who} has a standard deviation of {sd:.3g}, which asks for "
                f"(2.8 x {sd:.3g} / {smallest:g})^2 + 2, that is {many} replicates."
            )
    return _cell(" ".join(said))


def _spread(figure: Measured) -> str:
    if figure["exact"]:
        return f"exact: {_cell(figure['exact'])}"
    return f"{figure['low']:.4g} to {figure['high']:.4g}"


def _numbers(figure: Measured) -> str:
    many = f"{figure['n']} {figure['of']}" if figure["n"] else ""
    cells = (_spread(figure), _cell(figure["unit"]), _cell(many))
    return f"{figure['value']:.4g} | {' | '.join(cells)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def plans(root: Path) -> dict[str, ClaimParams]:
    """What each claim says before it is looked at, by its name.

    Raises:
        RefusedError: If a block lacks what every claim says, or has it wrong.
    """
    names = ClaimParams.__dataclass_fields__
    found = {}
    for path in sorted((root / PARAMS).glob("*.yaml")):
        block = {key: value for key, value in load(path).items() if key in names}
        found[path.stem] = ClaimParams.parse(block, f"claim.{path.stem}")
    return found


def pages(root: Path) -> dict[Path, str]:
    """The texts of all files these pages consist of, by path from the root.

    Args:
        root: The clone.
    """
    planned = plans(root)
    results = {path.stem: read(path) for path in (root / CLAIMS).glob("*.json")}
    rows, texts = [], {}
    for name in sorted(planned.keys() | {n for n, claim in results.items() if claim}):
        note = root / CLAIMS / f"{name}.md"
        text = note.read_text("utf-8") if note.exists() else ""
        if claim := results.get(name):
            rows.append(row(claim))
            texts[PAGES / f"{name}.md"] = page(claim, text)
        else:
            rows.append(row_of_plan(name, planned[name]))
            texts[PAGES / f"{name}.md"] = page_of_plan(name, planned[name], text)
    return {TABLE: table(rows), **texts}


def write_pages(root: Path) -> None:
    """Write them all.

    Args:
        root: The clone.
    """
    for path, text in pages(root).items():
        write_text(root / path, text)
