"""Write docs/claims.md from data/claims: ``python -m tasks.claims.engine.page``."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.files import read_json, write_text
from tasks.artifacts.stage import run_stage

CLAIMS = Path("data/claims")
PAGE = Path("docs/claims.md")
HEAD = """# Claims

Each method's paper says it has an effect. A study shows that effect in miniature, or
does not; this page is written from what came of it (`data/claims/`) by
`make claim NAME=...`, or `make claims` for all of them. A check is shown where its
whole 95 % interval lies above the bound, not shown where the whole interval lies below,
else underpowered. Worlds, data, networks and budgets are smaller than the papers', so
figures of a paper stand beside ours as context alone. The table has each claim's first
check, the sections all of them. What was looked at afterwards, by hand and on other
seeds, is under *Looked at*.
"""


def page(claims: Iterable[Mapping[str, Any]], notes: Mapping[str, str]) -> str:
    """The page's text.

    Args:
        claims: Contents of the files, in the order of the page.
        notes: What was looked at afterwards, by claim.
    """
    claims = list(claims)
    rows = ["| method | effect | the paper | here | |", "|---|---|---|---|---|"]
    rows += [_row(one) for one in claims]
    parts = [HEAD, "\n".join(rows) + "\n"]
    parts += [_section(one, notes.get(one["claim"], "")) for one in claims]
    return "\n".join(parts)


def _row(claim: Mapping[str, Any]) -> str:
    name, checks = claim["claim"], claim["checks"]
    seen = sum(one["verdict"] == "shown" for one in checks)
    found = f"{_said(checks[0])}; {seen} of {len(checks)} checks shown"
    cells = (f"[{name}](#{name})", claim["statement"], claim["paper"], found)
    return "| " + " | ".join(_cell(c) for c in cells) + f" | **{claim['verdict']}** |"


def _section(claim: Mapping[str, Any], note: str) -> str:
    seeds = ", ".join(map(str, claim["seeds"]))
    lines = [
        f"## {claim['claim']}",
        "",
        f"{claim['verdict'].capitalize()}. Study `{claim['study']}`, seeds {seeds}, "
        f"{claim.get('wall_seconds', 0) / 60:.0f} minutes.",
        "",
        "| wanted | found | 95 % interval | unit | |",
        "|---|---|---|---|---|",
    ]
    for one in claim["checks"]:
        name = _cell(f"{one['name']} > {one['bound']:g}")
        lines.append(f"| {name} | {_numbers(one)} | {one['verdict']} |")
    if note:
        lines += ["", f"*Looked at*: {note.strip()}"]
    if claim["figures"]:
        lines += ["", "<details><summary>What else was measured</summary>", ""]
        lines += ["| measured | | 95 % interval | unit |", "|---|---|---|---|"]
        lines += [f"| {_cell(f['name'])} | {_numbers(f)} |" for f in claim["figures"]]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _said(check: Mapping[str, Any]) -> str:
    unit = f" {check['unit']}" if check["unit"] else ""
    said = f"{check['name']}: {check['value']:.3g}{unit}"
    if check["low"] < check["high"]:
        said += f" [{check['low']:.3g}, {check['high']:.3g}]"
    return said


def _numbers(one: Mapping[str, Any]) -> str:
    spread = f"{one['low']:.4g} to {one['high']:.4g}"
    if one["low"] == one["high"]:
        spread = ""
    return f"{one['value']:.4g} | {spread} | {_cell(one['unit'])}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def written(root: Path) -> str:
    """The page of the claims in a clone; ``NAME.md`` beside one is its note."""
    files = sorted((root / CLAIMS).glob("*.json"))
    claims = [read_json(path, "make claims") for path in files]
    notes = {
        path.stem: path.read_text("utf-8") for path in (root / CLAIMS).glob("*.md")
    }
    return page(claims, notes)


def main() -> None:
    """Write the page."""
    write_text(PAGE, written(Path()))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
