"""The page of the estimates: estimates.md from estimates.json."""

from typing import Any

from benchmarks.page import table

METHODS = ("fqe", "wis", "dr")


def interval(value: float, low: float, high: float, digits: int) -> str:
    """A number with its interval."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def agreement(world: dict[str, Any]) -> str:
    """How well each method orders the policies."""
    rows = []
    for method in METHODS:
        found, near = world["ranks"][method], world["ranks_of_data"][method]
        rho = [
            interval(*(found[of][k] for k in ("rho", "low", "high")), 2)
            for of in ("discounted", "return")
        ]
        rho.append(
            interval(*(near["discounted"][k] for k in ("rho", "low", "high")), 2)
        )
        rows.append(
            [method, *rho, f"{found['median_error']:.0f}", world["cpu_seconds"][method]]
        )
    return table(
        "method | rho with the discounted return | rho with the return "
        "| rho, discounted, of checkpoints that made data "
        "| median absolute error | CPU s",
        rows,
    )


def policies(world: dict[str, Any]) -> str:
    """Every policy, from the best to the worst."""
    rows = []
    for row in sorted(world["policies"], key=lambda r: -float(r["discounted"])):
        made = row["estimates"]
        cells = [f"{made[method]['mean']:.0f}" for method in METHODS]
        low, high = made["fqe"]["low"], made["fqe"]["high"]
        cells[0] += f" [{low:.0f}, {high:.0f}]"
        rows.append(
            [
                row["policy"],
                row["noise"],
                f"{row['return']:.0f}",
                f"{row['discounted']:.1f} ± {row['discounted_error']:.1f}",
                *cells,
                f"{made['wis']['at_end']:.1f}",
                "-" if made["wis"]["half_at"] is None else made["wis"]["half_at"],
            ]
        )
    return table(
        "policy | noise | true return | true discounted return ± standard error "
        "| fqe | wis | dr | episodes left | half are gone at step",
        rows,
    )


def section(world: dict[str, Any]) -> str:
    """One world."""
    parts = ", ".join(f"{one['policy']} {one['steps']}" for one in world["data"])
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


def render(found: dict[str, Any]) -> str:
    """Markdown of what estimates.json holds."""
    worlds = "\n".join(section(one) for _, one in sorted(found["worlds"].items()))
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
