"""docs/baselines.md and its picture, of what `benchmarks.baselines` kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.beds_page import alive
from benchmarks.tables import table
from tasks.artifacts.curves import Horizon, undertrained
from tasks.report.cores.svg import Scale, line, path, svg, tag
from tasks.statistics.intervals import t_interval

HEAD = """# The offline baselines

The study [`baselines`](../params/study/baselines.yaml): {learners} learners on
{datasets} datasets, {seeds} seeds, {updates:,} updates of {batch} rows, two layers of
64. `make study NAME=baselines` runs it again, and goes on after a kill. Metrics and
report page of this run lie in [data/studies/baselines](../data/studies/baselines).

Scores: 0 is the random policy, 100 the best behaviour policy, both measured here; the
mean over seeds of each seed's interquartile mean over {episodes} episodes, with
Student's 95 % interval over seeds. *Last* and *best* are of the {snapshots} policies
kept on the way, {on_the_way} episodes a seed; best is each seed's best moment, which
without a world nobody could have chosen. *Horizon* is how much of one the critics can
have learned, updates x polyak x (1 - discount) / policy_delay; *value* is what they
give logged actions in the end, over the data's own discounted return-to-go.
**UNDERTRAINED** where the first is below 1.5 and the second below 0.8. Learners
without critics have neither.

*Above bc* and *below bc*, *above data* and *below random* are said where whole
intervals lie apart, and only where [the dataset is alive](beds.md) for such a learner:
elsewhere every policy falls at once, and being better says nothing.

{note}CORL's figures are context alone: D4RL's data and physics are others, its networks
larger, its updates {times:.0f} times as many, its numbers tuned for each dataset.
"""
# Until the study has run again; then this goes.
NOTE = """**This run is from before its critics were given their horizon.** No horizons
were kept, all learners with critics are UNDERTRAINED, and nothing is said of a score.
Its scores are interquartile means over all seeds and episodes at once, with intervals
of a bootstrap, which were narrower than they should be. Two of the datasets are dead
for learners with critics, and halfcheetah's medium-replay showed a robot that lies
still in 30 % of its steps; it has been rebuilt since, and the study names others.

"""
REAL = """## At the papers' size

The study [`real_size`](../params/study/real_size.yaml): halfcheetah_medium_replay as
it is now, networks of two layers of 256, the papers' rates (3e-4), polyak 0.005 and
batches of 256, {updates:,} updates, {seeds} seeds. Each score is the mean over seeds of
the interquartile mean over {episodes} episodes, ± half of Student's interval. CORL's
curves end, after a million updates, at {corl}.

![Score over updates, IQL and TD3+BC at the papers' size](baselines.svg)
"""
NAMES = {"td3_bc": "TD3+BC", "iql": "IQL"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 50, 170, 30, 40
STYLE = """
text{font:12px system-ui,sans-serif;fill:#333}.head{font-weight:600}
.end{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:#ddd}.s0,.s1{fill:none;stroke-width:2}
.s0{stroke:#7b3fa0}.s1{stroke:#2b6cb0}.b0{fill:#7b3fa0;opacity:.15}
.b1{fill:#2b6cb0;opacity:.15}.goal{stroke-dasharray:5 4}
@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}
.s0{stroke:#b794f4}.s1{stroke:#63b3ed}}
"""


def render(
    small: Mapping[str, Any],
    real: Mapping[str, Any],
    corl: Mapping[str, Any],
    beds: Mapping[str, Any],
) -> str:
    """The page's Markdown.

    Args:
        small: What was kept of the study `baselines`.
        real: Likewise of `real_size`.
        corl: CORL's published figures.
        beds: What each dataset is alive for, as benchmarks/beds.json.
    """
    study, evaluate = small["params"]["study"], small["params"]["evaluate"]
    head = HEAD.format(
        learners=len(study["learners"]),
        datasets=len(small["metrics"]),
        seeds=len(study["seeds"]),
        updates=study["updates"],
        batch=study["batch"],
        snapshots=study["snapshots"],
        episodes=evaluate["returns"]["episodes"],
        on_the_way=evaluate["learning"]["episodes"],
        note="" if small["horizons"] else NOTE,
        times=1_000_000 / study["updates"],
    )
    parts = [head]
    for dataset, learners in small["metrics"].items():
        card, living = small["datasets"][dataset], alive(beds["datasets"][dataset])
        published = corl["scores"].get(dataset, {})
        horizons, rows = small["horizons"], []
        for name in learners:
            reached = horizons.get(f"{dataset}/{name}")
            told = words(name, learners, reached, card, living) if horizons else ""
            own = row(learners[name], reached, told)
            theirs = published.get(name)
            corl_said = "{:.1f} ± {:.1f}".format(*theirs) if theirs else "-"
            rows.append([f"`{name}`", *own, corl_said])
        parts += [
            f"## {dataset}",
            f"{card['episodes']} episodes, {card['steps']} steps, mean score "
            f"{card['score_mean']:.1f}"
            + (f"; alive for: {living}." if horizons else "."),
            table(
                "learner | score | | last | best | horizon | value | int8 file | CORL",
                rows,
            ),
        ]
    return "\n\n".join(part.strip("\n") for part in [*parts, real_size(real, corl)])


def row(own: Mapping[str, Any], reached: Horizon | None, told: str) -> list[str]:
    """The row of one learner on one dataset, but for its name and CORL's figure.

    Args:
        own: The learner's figures.
        reached: How far its critics came; None without critics.
        told: What may be said of the score.
    """
    score = own["float32"]
    return [
        f"{score['score']:.1f} [{score['score_low']:.1f}, {score['score_high']:.1f}]",
        told,
        f"{own['last']['score']:.1f}",
        f"{own['best']['score']:.1f}",
        f"{reached['share']:.1f}" if reached else "",
        f"{reached['value'] / reached['data_value']:.2f}" if reached else "",
        own["int8_static"]["verdict"],
    ]


def words(
    name: str,
    learners: Mapping[str, Any],
    reached: Horizon | None,
    card: Mapping[str, Any],
    living: str,
) -> str:
    """What may be said of a score: nothing where the bed is dead for its learner.

    Args:
        name: The learner.
        learners: Figures of all learners of the dataset.
        reached: How far its critics came; None without critics.
        card: What is said of the dataset.
        living: What the dataset is alive for.
    """
    if reached and undertrained(reached):
        return "UNDERTRAINED"
    if ("TD" if reached else "weighting") not in living and name != "bc":
        return ""
    own, bc = learners[name]["float32"], learners["bc"]["float32"]
    said = {
        "above bc": own["score_low"] > bc["score_high"],
        "below bc": own["score_high"] < bc["score_low"],
        "above data": own["score_low"] > card["score_mean"],
        "below random": own["score_high"] < 0,
    }
    return ", ".join(word for word, holds in said.items() if holds)


def real_size(real: Mapping[str, Any], corl: Mapping[str, Any]) -> str:
    """The section on the study at the papers' size."""
    (dataset,) = real["metrics"]
    published = corl["scores"][dataset]
    ends = [f"{NAMES[n]} {published[n][0]:.1f} ± {published[n][1]:.1f}" for n in NAMES]
    params = real["params"]
    text = REAL.format(
        updates=params["study"]["updates"],
        seeds=len(params["study"]["seeds"]),
        episodes=params["evaluate"]["learning"]["episodes"],
        corl=" and ".join(ends),
    )
    bands = {name: scores(real, dataset, name) for name in NAMES}
    rows = [
        [f"{u:,.0f}", *(f"{b[1, at]:.1f} ± {b[2, at]:.1f}" for b in bands.values())]
        for at, u in enumerate(bands["iql"][0])
    ]
    reached = [
        f"{NAMES[name]}'s critics had {own['share']:.1f} of a horizon and value logged "
        f"actions at {own['value'] / own['data_value']:.2f} of the data's return-to-go"
        for name in NAMES
        if (own := real["horizons"][f"{dataset}/{name}"])
    ]
    told = "; ".join(reached) + "."
    listed = table("updates | " + " | ".join(NAMES.values()), rows)
    return f"{text}\n{told}\n\n{listed}\n"


def scores(real: Mapping[str, Any], dataset: str, learner: str) -> NDArray[np.float64]:
    """(3, U): updates, mean score over seeds, half of Student's 95 % interval.

    Args:
        real: What was kept of the study.
        dataset: Its dataset.
        learner: One of its learners.
    """
    card = real["datasets"][dataset]
    spread = card["ref_max"] - card["ref_min"]
    curve = real["learning"][f"{dataset}/{learner}"]
    columns = []
    for update in sorted(curve, key=int):
        own = 100 * (np.asarray(curve[update]) - card["ref_min"]) / spread
        low, high = t_interval(own, 0.95)
        columns.append((float(update), float(own.mean()), (high - low) / 2))
    return np.array(columns).T


def picture(real: Mapping[str, Any], corl: Mapping[str, Any]) -> str:
    """Score over updates with its interval; dashed, where CORL's curves end.

    Args: as :func:`render`.

    Returns:
        The text of an SVG file.
    """
    (dataset,) = real["metrics"]
    bands = {name: scores(real, dataset, name) for name in NAMES}
    ends = {name: float(corl["scores"][dataset][name][0]) for name in NAMES}
    most = max(float((b[1] + b[2]).max()) for b in bands.values())
    x = Scale(0, float(bands["iql"][0, -1]), LEFT, WIDTH - RIGHT)
    y = Scale(0, 10 * np.ceil(max(most, *ends.values()) / 10), HEIGHT - BOTTOM, TOP)
    right = WIDTH - RIGHT
    parts = [tag("style", STYLE)]
    parts.append(tag("text", "score", x=LEFT, y=16, class_="head"))
    for tick in np.arange(0, y.high + 1, 10):
        parts.append(line(LEFT, y(tick), right, y(tick), "grid"))
        parts.append(tag("text", f"{tick:g}", x=LEFT - 8, y=y(tick) + 4, class_="end"))
    for tick in np.linspace(0, x.high, 6):
        text = f"{tick / 1000:g}k"
        parts.append(tag("text", text, x=x(tick), y=HEIGHT - 18, class_="mid"))
    for at, (name, band) in enumerate(bands.items()):
        low, high = band[1] - band[2], band[1] + band[2]
        forth = [(x(u), y(max(v, 0))) for u, v in zip(band[0], high, strict=True)]
        back = [(x(u), y(max(v, 0))) for u, v in zip(band[0], low, strict=True)]
        parts.append(path([*forth, *reversed(back)], f"b{at}", close=True))
        means = [(x(u), y(v)) for u, v in zip(band[0], band[1], strict=True)]
        parts.append(path(means, f"s{at}"))
        parts.append(line(LEFT, y(ends[name]), right, y(ends[name]), f"s{at} goal"))
    for at, name in enumerate(NAMES):
        height = TOP + 20 + 40 * at
        here = f"{NAMES[name]}, {bands[name][1, -1]:.1f} at the end"
        parts.append(line(right + 12, height - 4, right + 30, height - 4, f"s{at}"))
        parts.append(tag("text", here, x=right + 36, y=height))
        told = f"CORL after 1M: {ends[name]:.1f}"
        parts.append(tag("text", told, x=right + 36, y=height + 16))
    label = "Score over updates at the papers' size"
    return str(svg(WIDTH, HEIGHT, label, *parts, xmlns="http://www.w3.org/2000/svg"))
