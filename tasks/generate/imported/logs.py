"""What a reader makes of a source: episodes as they stand there, and what it states.

A reader, ``tasks/generate/imported/readers/FORMAT.py``, has two functions:

    recognises(source: Path) -> bool       by content, cheap, False for a foreign file
    read(source: Path, options: Options) -> Logs

A reader only reads. What real files hold against the rules of
:class:`~tasks.artifacts.episodes.Episode` is settled once, for all of them, by
``tasks/generate/imported/rules.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from gymnasium import Space
from numpy.typing import NDArray

from tasks.artifacts.names import NameRule
from tasks.artifacts.params import Distinct, OneOf, Params, Range

Numbers = Annotated[tuple[float, ...], Range(-1e30, 1e30)]


@dataclass(frozen=True)
class Options(Params):
    """How a source is to be read; params/generate/imported.yaml has ranges and units.

    Attributes:
        source: Name of the folder below data/sources that holds it.
        format: Name of a reader; auto: the one that recognises the source.
        map: Which column of a table is what; empty: guessed by name.
        max_episode_steps: Where a file without time-outs is cut; 0: not known.
        final_obs: What follows the last action where the source has no observation of
            it. next_obs: refuse; drop: the last step goes; repeat: the last observation
            stands twice; auto: repeat where the task ended, else drop.
        end: How an episode ended whose source does not say; ask: refuse.
        reward_scale: Each reward is multiplied by it ...
        reward_shift: ... and then this is added.
        clip_actions: Clip actions beyond their bounds instead of refusing them.
        rescale_actions: Lowest and highest number of an action in the source, which
            become the bounds; empty: as they are.
        action_low: Lower bound of each number of an action, or one for all; empty: what
            the source states.
        action_high: The upper bounds, likewise.
        discrete_actions: How many actions there are to choose from; 0: what the source
            states, or the highest one and 1.
        obs_keys: Which arrays of a mapping of observations, in this order; empty: all,
            by name.
        obs_shift: Subtracted from each number of an observation, or one for all, before
            anything is rounded; whoever runs the policy has to subtract it as well.
        dtype: Of the observations: auto, the source's, which has to survive the
            rounding to float32 that every policy does; float32: lose what it loses.
        episodes: A range of episodes, A:B, B not included; empty: all.
        filter: Name of a list of episodes that the source holds; empty: all.
        min_length: Shorter episodes are left out, steps.
        log_prob: Of what the source's log densities are: scaled, actions scaled to
            [-1, 1]; raw, actions in their own units; ignore them.
        success_reward: Of an episode's last step if it succeeded, where the source has
            no rewards.
        use_states: Whether a robomimic file's simulator states are the observations.
        alignment: Of RLDS rows: rlds, the reward that followed a row's action stands
            beside it; dm_env, action and reward are those that led to the row.
    """

    source: Annotated[str, NameRule()]
    format: str
    map: Mapping[str, Any]
    max_episode_steps: Annotated[int, Range(0, 10**7)]
    final_obs: Annotated[str, OneOf(("auto", "next_obs", "drop", "repeat"))]
    end: Annotated[str, OneOf(("ask", "terminated", "truncated"))]
    reward_scale: Annotated[float, Range(-1e9, 1e9)]
    reward_shift: Annotated[float, Range(-1e9, 1e9)]
    clip_actions: bool
    rescale_actions: Numbers
    action_low: Numbers
    action_high: Numbers
    discrete_actions: Annotated[int, Range(0, 2**16)]
    obs_keys: Annotated[tuple[str, ...], Distinct()]
    obs_shift: Numbers
    dtype: Annotated[str, OneOf(("auto", "float32"))]
    episodes: str
    filter: str
    min_length: Annotated[int, Range(0, 10**7)]
    log_prob: Annotated[str, OneOf(("ignore", "scaled", "raw"))]
    success_reward: Annotated[float, Range(-1e9, 1e9)]
    use_states: bool
    alignment: Annotated[str, OneOf(("rlds", "dm_env"))]


@dataclass(frozen=True)
class Log:
    """One episode as its source has it.

    Attributes:
        observations: (T+1, ...) or, where the source lacks the last one, (T, ...), by
            name; the name is empty where the source has one array.
        actions: (T, ...).
        rewards: (T,) or (T, 1), reward t follows action t; None: the source has none.
        terminated: Whether the task ended; None: the source does not say.
        truncated: Whether time ran out; None: the source does not say.
        infos: (T, ...) or (T+1, ...) each, by name.
        where: What the source calls it, for errors, e.g. ``demo_4``.
        seed: Start seed of the world; -1 if unknown.
    """

    observations: Mapping[str, NDArray[Any]]
    actions: NDArray[Any]
    rewards: NDArray[Any] | None
    terminated: bool | None
    truncated: bool | None
    infos: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    where: str = ""
    seed: int = -1


@dataclass
class Logs:
    """A whole source.

    Attributes:
        format: Name of the reader.
        episodes: In the source's order; gone through once.
        observation_space: As the source states it, which is advice; None: it does not.
        action_space: Likewise.
        env_id: As stated; shown, compared, and never handed to a resolver.
        step_seconds: Control step, seconds; None: not known.
        notes: Guesses made and rules used, in words, for the report and the card; a
            reader may add to them until its episodes have ended.
    """

    format: str
    episodes: Iterable[Log]
    observation_space: Space[Any] | None = None
    action_space: Space[Any] | None = None
    env_id: str | None = None
    step_seconds: float | None = None
    notes: list[str] = field(default_factory=list)
