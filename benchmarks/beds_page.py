"""docs/beds.md of the figures that ``python -m benchmarks.beds`` kept."""

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

TD = ("iql", "td3_bc")
HEAD = """# Which datasets are alive, and for what

A learner can show something on a dataset only where the dataset lets it: where cloning
stands still, or where every policy falls at once, being better than cloning says
nothing. Here four learners are trained on each dataset with the settings of the default
study ({updates} updates of {batch} rows, policies of two layers of 128, critics of 64,
{seeds} seeds), and each seed's policy plays {episodes} episodes.
`python -m benchmarks.beds` measures what is missing and writes this page.

Scores: 0 is the random policy, 100 the best behaviour policy; the mean over seeds of
each seed's interquartile mean, with Student's 95 % interval over seeds. *Data* is the
mean score of the dataset's episodes, *ended early* the share of episodes that
terminated before the time limit, of the data and of IQL's. *Horizon* is how much of a
horizon the critics of IQL and of TD3+BC can have learned,
updates x polyak x (1 - discount) / policy_delay; 1.5 is enough.

*Alive* says for what, interval by interval: **TD** where IQL or TD3+BC lies above both
cloning and the data's mean by its whole interval; **weighting** where cloning the best
tenth of the episodes lies above cloning all of them.
"""


def render(results: Mapping[str, Any]) -> str:
    """The page in Markdown.

    Args:
        results: Content of benchmarks/beds.json.
    """
    settings = results["settings"]
    head = HEAD.format(
        updates=settings["updates"],
        batch=settings["batch"],
        seeds=len(settings["seeds"]),
        episodes=settings["episodes"],
    )
    rows = [row(name, own) for name, own in sorted(results["datasets"].items())]
    columns = (
        "dataset | data | bc | bc10 | IQL | TD3+BC | ended early | horizon | alive for"
    )
    return f"{head}\n{table(columns, rows)}\n"


def row(name: str, own: Mapping[str, Any]) -> list[str]:
    """The row of one dataset."""
    learners = own["learners"]
    scores = [shown(learners.get(key)) for key in ("bc", "bc10", *TD)]
    ended = [own["ended_early"], learners.get("iql", {}).get("ended_early")]
    shares = [(learners.get(key, {}).get("horizon") or {}).get("share") for key in TD]
    return [
        f"`{name}`",
        f"{own['score']:.1f}",
        *scores,
        ", ".join("-" if share is None else f"{share:.0%}" for share in ended),
        ", ".join("-" if share is None else f"{share:.1f}" for share in shares),
        alive(own),
    ]


def shown(figure: Mapping[str, Any] | None) -> str:
    """A score with its interval."""
    if figure is None:
        return "-"
    return f"{figure['score']:.1f} [{figure['low']:.1f}, {figure['high']:.1f}]"


def alive(own: Mapping[str, Any]) -> str:
    """What a dataset is alive for, by the rule on the page."""
    learners = own["learners"]
    if not {"bc", "bc10", *TD} <= learners.keys():
        return "not measured"
    bc = learners["bc"]
    least = max(bc["high"], own["score"])
    words = []
    if any(learners[key]["low"] > least for key in TD):
        words.append("TD")
    if learners["bc10"]["low"] > bc["high"]:
        words.append("weighting")
    return ", ".join(words) or "nothing"
