"""README.md of a dataset: what card.json says, for a reader."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gymnasium.spaces import Discrete

if TYPE_CHECKING:
    from tasks.worlds import World


def described(
    figures: Mapping[str, Any],
    world: "World",
    made_by: Sequence[Mapping[str, str]],
    description: str = "",
) -> str:
    """The text: what it is, its shapes, how it is scored, how to use it, its limits.

    Args:
        figures: The card.
        world: Where the episodes were made, or what stands for it.
        made_by: The methods that had a part in it.
        description: How they were made, in words.
    """
    name, params = figures["dataset_id"], world.params
    bare = name.rsplit("-v", 1)[0]
    played = world.playable
    lines = [
        f"# {name}",
        "",
        f"{figures['episodes']:,} episodes, {figures['steps']:,} steps "
        + (f"of `{figures['env_id']}`." if played else "of logs without a world."),
        *([description] if description else []),
        *_simulated(params),
        "",
        "| value | shape | smallest to largest |",
        "|---|---|---|",
        f"| observation | {world.observation_space.shape} | "
        f"{_ends(figures['observation'])} |",
        f"| action | {_shape(world)} |",
        f"| return of an episode | () | {figures['return']['min']:g} to "
        f"{figures['return']['max']:g}, mean {figures['return']['mean']:g} |",
        f"| steps of an episode | () | {figures['length']['min']} to "
        f"{figures['length']['max']}, mean {figures['length']['mean']:g} |",
        "",
        f"One step lasts {world.step_seconds:g} s. {figures['terminated']:.0%} of the "
        f"episodes terminated, {figures['truncated']:.0%} were cut.",
        "",
        "## Made from",
        "",
        "| source | episodes | steps | mean return |",
        "|---|---|---|---|",
        *(
            f"| {s['name'].replace('|', '/')} | {s['episodes']:,} | {s['steps']:,} | "
            f"{s['return_mean']:g} |"
            for s in figures["sources"]
        ),
        "",
        *_brought(figures.get("imported")),
        *(f"- Made by `{m['method']}`: code {m['code_sha256']}." for m in made_by),
        f"- SHA-256 of data/main_data.hdf5: {figures['sha256']}.",
        "",
        "## Score",
        "",
        (
            f"0 is a return of {params.ref_min:g}, 100 one of {params.ref_max:g} "
            f"({params.measured}). These episodes have {figures['score_mean']:.1f} on "
            "average."
            if played
            else "None: there is no world to play in, and no reference."
        ),
        "",
        "## Use",
        "",
        "```python",
        "import os",
        'os.environ["MINARI_DATASETS_PATH"] = "data/datasets"',
        "import minari",
        f'dataset = minari.load_dataset("{name}")',
        "```",
        "",
        f"Other formats: `make export-data NAME={bare} TO=lerobot OUT=folder`. All "
        "figures, in full: card.json.",
        "",
        "## Limits",
        "",
        f"- Its observations fill {figures['coverage']['share']:.0%} of their plane "
        "(card.json, coverage). What learns from it knows nothing of the rest.",
        "- Returns are of whoever acted here, in this world.",
        "- No licence is stated: that of its source holds.",
    ]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    """A line without control codes, which names in others' data could hold."""
    return "".join(c if c.isprintable() else "?" for c in line)


def _ends(spread: Mapping[str, Sequence[float]]) -> str:
    return f"{min(spread['min']):.4g} to {max(spread['max']):.4g}"


def _simulated(params: Any) -> list[str]:
    """What is to be known of episodes that were made in a simulated twin."""
    if getattr(params, "made_in", "real") == "real":
        return []
    factors = ", ".join(f"{k} x {v:g}" for k, v in params.simulated.items())
    return [f"They were made in a simulated twin of it: {factors or 'no difference'}."]


def _shape(world: "World") -> str:
    """Shape of an action and its bounds, as cells of the table."""
    space = world.action_space
    if isinstance(space, Discrete):
        return f"() | one of {space.n}"
    low, high = float(space.low.min()), float(space.high.max())
    return f"{space.shape} | bounds {low:g} to {high:g}"


def _brought(imported: Mapping[str, Any] | None) -> list[str]:
    """Where it came from and what reading it noted, if others recorded it."""
    if not imported:
        return []
    source = (
        f"- Read from data/sources/{imported['source']}, {imported['format']}, SHA-256 "
        f"{imported['source_sha256']}."
    )
    return [source, *(f"- {note}" for note in imported["notes"])]
