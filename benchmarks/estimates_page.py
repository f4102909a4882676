"""Render the page of the estimates: estimates.md from estimates.json."""

from typing import Any

from benchmarks.page import table

METHODS = ("fqe", "wis", "dr")


def interval(value: float, low: float, high: float, digits: int) -> str:
    """A number with its interval, as text with some digits after the point."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def agreement(world: dict[str, Any]) -> str:
    """A table of how well each method of estimation orders the policies of a world."""
    rows = []
    for method in METHODS:
        ranks, near = world["ranks"][method], world["ranks_of_data"][method]
        rho = [
            interval(*(ranks[of][k] for k in ("rho", "low", "high")), 2)
            for of in ("discounted", "return")
        ]
        rho.append(
            interval(*(near["discounted"][k] for k in ("rho", "low", "high")), 2)
        )
        rows.append(
            [method, *rho, f"{ranks['median_error']:.0f}", world["cpu_seconds"][method]]
        )
    return table(
        "method | rho with the discounted return | rho with the return "
        "| rho, discounted, of checkpoints that made data "
        "| median absolute error | CPU s",
        rows,
    )


def policies(world: dict[str, Any]) -> str:
    """A table of every policy of a world, from the best to the worst."""
    rows = []
    for row in sorted(world["policies"], key=lambda r: -float(r["discounted"])):
        estimates = row["estimates"]
        half_at = estimates["wis"]["half_at"]
        cells = [f"{estimates[method]['mean']:.0f}" for method in METHODS]
        low, high = estimates["fqe"]["low"], estimates["fqe"]["high"]
        cells[0] += f" [{low:.0f}, {high:.0f}]"
        rows.append(
            [
                row["policy"],
                row["noise"],
                f"{row['return']:.0f}",
                f"{row['discounted']:.1f} ± {row['discounted_error']:.1f}",
                *cells,
                f"{estimates['wis']['at_end']:.1f}",
                "-" if half_at is None else half_at,
            ]
        )
    return table(
        "policy | noise | true return | true discounted return ± standard error "
        "| fqe | wis | dr | episodes left | half are gone at step",
        rows,
    )


def section(world: dict[str, Any]) -> str:
    """The section of one world."""
    parts = ", ".join(f"{part['policy']} {part['steps']}" for part in world["data"])
    fit = world["params"]["fqe"]
    note = f"\n{world['note']}\n" if "note" in world else ""
    return f"""## {world["world"]}

Data: {world["steps"]} steps in {world["episodes"]} episodes, all with their own noise
(1.0), steps asked for: {parts}. {len(world["policies"])} policies; true returns are
means of {world["true_episodes"]} episodes each. Discount {world["discount"]}; Q has
hidden layers {fit["hidden"]}, {fit["updates"]} updates of batch {fit["batch"]}.
{note}
{agreement(world)}

{policies(world)}
"""


def render(results: dict[str, Any]) -> str:
    """The page's Markdown.

    Args:
        results: What estimates.json holds.
    """
    worlds = "\n".join(section(world) for _, world in sorted(results["worlds"].items()))
    return f"""# Estimates without a world

Made by `python -m benchmarks.estimates` from [estimates.json](estimates.json); do not
edit. [The file](estimates.py) says how it measures.

Do estimates from logged episodes put policies in the order of their true returns? Rho
is Spearman's rank correlation over the policies, 95 % bootstrap interval over them.
Policies are all distinct checkpoints of `data/behaviors` at each scale of noise, also
those that made no data; a column leaves these out, to tell both apart. Those that made
data and act as they did there (noise 1.0) are judged on episodes of their own among
others, which flatters `wis`. Episodes left is the effective sample size of the
importance weights at the last step.

{worlds}"""
