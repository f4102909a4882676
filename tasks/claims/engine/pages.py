"""docs/claims.md, a table of all claims, and docs/claims/NAME.md, a page of each.

Both are written from data/claims: ``NAME.json`` is what came of a claim, ``NAME.md``,
where there is one, what somebody looked at afterwards.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

from tasks.artifacts.files import write_text
from tasks.artifacts.formats import Number, Seed, Size
from tasks.artifacts.typed_json import read_typed

CLAIMS = Path("data/claims")
TABLE, PAGES = Path("docs/claims.md"), Path("docs/claims")


class Measured(TypedDict):
    """A figure, with its interval."""

    name: str
    value: Number
    low: Number
    high: Number
    unit: str


class Checked(Measured):
    """A figure that must lie above a bound."""

    bound: Number
    verdict: str


class Content(TypedDict):
    """A claim's file, ``NAME.json``."""

    claim: str
    study: str
    statement: str
    paper: str
    seeds: list[Seed]
    verdict: str
    checks: list[Checked]
    figures: list[Measured]
    wall_seconds: NotRequired[Size]


HEAD = """# Claims

Each method's paper says it has an effect. A study shows that effect in miniature, or
does not. `make claim NAME=...` runs a claim's study, `make claims` those of all; both
write what came of it to `data/claims/` and, from there, this table and a page a claim
(so does `python -m tasks.claims --pages`, without running anything).

A check is shown where its whole 95 % interval lies above the bound, not shown where the
whole interval lies below, else underpowered. A claim is shown if all its checks are,
not shown if one is not. Worlds, data, networks and budgets are smaller than the
papers', so figures of a paper stand beside ours as context alone.
"""


def table(claims: Iterable[Content]) -> str:
    """The text of docs/claims.md.

    Args:
        claims: Contents of the files, in the order of the rows.
    """
    rows = ["| claim | effect | verdict | checks shown |", "|---|---|---|---|"]
    return "\n".join([HEAD, *rows, *map(_row, claims), ""])


def _row(claim: Content) -> str:
    name, checks = claim["claim"], claim["checks"]
    shown = sum(check["verdict"] == "shown" for check in checks)
    cells = (
        f"[{name}](claims/{name}.md)",
        _cell(claim["statement"]),
        f"**{claim['verdict']}**",
        f"{shown} of {len(checks)}",
    )
    return f"| {' | '.join(cells)} |"


def page(claim: Content, note: str = "") -> str:
    """The text of one claim's page.

    Args:
        claim: Content of its file.
        note: What was looked at afterwards, by hand or on other seeds.
    """
    seeds = ", ".join(map(str, claim["seeds"]))
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
        "| wanted | measured | 95 % interval | unit | |",
        "|---|---|---|---|---|",
    ]
    for check in claim["checks"]:
        name = _cell(f"{check['name']} > {check['bound']:g}")
        lines.append(f"| {name} | {_numbers(check)} | {check['verdict']} |")
    if note:
        lines += ["", f"*Looked at afterwards*: {note.strip()}"]
    if claim["figures"]:
        lines += ["", "## What else was measured", ""]
        lines += ["| measured | | 95 % interval | unit |", "|---|---|---|---|"]
        lines += [f"| {_cell(f['name'])} | {_numbers(f)} |" for f in claim["figures"]]
    return "\n".join(lines) + "\n"


def _numbers(figure: Measured) -> str:
    spread = f"{figure['low']:.4g} to {figure['high']:.4g}"
    if figure["low"] == figure["high"]:
        spread = ""
    return f"{figure['value']:.4g} | {spread} | {_cell(figure['unit'])}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def pages(root: Path) -> dict[Path, str]:
    """The texts of all files these pages consist of, by path from the root.

    Args:
        root: The clone.
    """
    files = sorted((root / CLAIMS).glob("*.json"))
    claims = {
        path.stem: read_typed(path, "make claims", Content, seal=False)
        for path in files
    }
    texts = {TABLE: table(claims.values())}
    for name, claim in claims.items():
        note = root / CLAIMS / f"{name}.md"
        text = note.read_text("utf-8") if note.exists() else ""
        texts[PAGES / f"{name}.md"] = page(claim, text)
    return texts


def write_pages(root: Path) -> None:
    """Write them all.

    Args:
        root: The clone.
    """
    for path, text in pages(root).items():
        write_text(root / path, text)
