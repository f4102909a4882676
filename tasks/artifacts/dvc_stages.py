"""Stages of dvc.yaml and what they write, read as plain YAML in a few milliseconds.

DVC itself needs a second for that, which is too long for a question that every command
asks first. What cannot be told from dvc.yaml and params.yaml alone is left out.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.strict_yaml import read_yaml

DVC_YAML, PARAMS = "dvc.yaml", "params.yaml"
OUTPUTS = ("outs", "metrics", "plots")  # lists of a stage that name outputs
TEMPLATE = re.compile(r"\$\{([^}]+)\}")


def outputs_by_stage(project: Path = Path()) -> dict[str, dict[str, bool]]:
    """Every stage of the graph with its outputs.

    Args:
        project: The folder of dvc.yaml and params.yaml.

    Returns:
        By the stage's name, e.g. ``train@hopper-iql``: paths of its outputs, from the
        project's folder, and whether DVC keeps each in its cache. Empty where one of
        the files is missing or is no YAML.
    """
    try:
        stages = read_yaml(project / DVC_YAML)["stages"]
        params = read_yaml(project / PARAMS)
        return {
            f"{group}@{key}" if key else group: dict(_outputs(body, values))
            for group, stage in stages.items()
            for key, body, values in _expanded(stage, params)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _expanded(
    stage: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    """Members of a stage with ``foreach`` or ``matrix``: key, body, template values."""
    if "foreach" in stage:
        each = _value(stage["foreach"], params)
        if isinstance(each, Mapping):
            pairs = [(str(key), item) for key, item in each.items()]
        else:
            pairs = [
                (str(place if isinstance(item, Mapping | list) else item), item)
                for place, item in enumerate(each)
            ]
        for key, item in pairs:
            yield key, stage["do"], {**params, "key": key, "item": item}
    elif "matrix" in stage:
        axes = {axis: _value(list_, params) for axis, list_ in stage["matrix"].items()}
        for values in itertools.product(*axes.values()):
            key = "-".join(map(str, values))
            item = dict(zip(axes, values, strict=True))
            yield key, stage, {**params, "key": key, "item": item}
    else:
        yield "", stage, dict(params)


def _outputs(
    body: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[tuple[str, bool]]:
    """Paths a stage writes, and whether each goes into the cache."""
    for entry in itertools.chain(*(body.get(key) or [] for key in OUTPUTS)):
        settings = entry if isinstance(entry, Mapping) else {entry: {}}
        for path, flags in settings.items():
            cached = (flags or {}).get("cache", True) is not False
            yield str(_value(path, values)), cached


def _value(template: Any, values: Mapping[str, Any]) -> Any:
    """A template of dvc.yaml with its values; one that is ``${...}`` alone is a value.

    Raises:
        KeyError: If a value is not there.
    """
    if isinstance(template, list):
        return [_value(entry, values) for entry in template]
    if not isinstance(template, str):
        return template
    if whole := TEMPLATE.fullmatch(template):
        return _lookup(whole[1], values)
    return TEMPLATE.sub(lambda match: str(_lookup(match[1], values)), template)


def _lookup(path: str, values: Mapping[str, Any]) -> Any:
    """The value that a dotted path names."""
    found: Any = values
    for part in path.strip().split("."):
        found = found[part]
    return found
