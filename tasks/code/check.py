"""Check a composed study before anything of it is written.

Each stage checks its own block when it begins, which for the last one can be an hour
after the first. Here all blocks are parsed at once; nothing is built.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.makers import MAKERS, check_makers
from tasks.artifacts.names import check_names
from tasks.artifacts.params import MEND, PARAMS, check_known, class_of
from tasks.artifacts.played import played
from tasks.artifacts.study import Study, check_steps
from tasks.artifacts.sweep import grid
from tasks.code.blocks import check_blocks, check_shape
from tasks.code.predictors import check_predicted
from tasks.code.sweeps import check_sweep

NO_BED = "data/beds/README.md"
NO_INPUT = "environment.json"


def check(params: Mapping[str, Any]) -> None:
    """Check each method's block and the study's own.

    Args:
        params: The composed parameters.

    Raises:
        RefusedError: On a class, key, type, range or name that its stage would refuse.
    """
    check_shape(params)
    check_names(params)
    check_blocks(params)
    study = Study.parse(params["study"], "study")
    check_makers(params)
    study.check_device()
    trained = [*_trained(params, study), *_learned(params, study)]
    trained += _adopted(params, study)
    made = _made(params, study)
    _check_lists(params, study, trained, made)
    _check_sampled(params, study)
    _check_played(params, study)
    check_predicted(params, study)
    _check_measured(params, study)
    _check_paths(params, study, trained)


def _check_all(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse the first name that is not known."""
    known = tuple(known)
    for name in names:
        check_known(name, known, where)


def _check_taken(
    names: Iterable[str], params: Mapping[str, Any], group: str, where: str
) -> None:
    """Refuse the first name that the study has no block of.

    Raises:
        RefusedError: With the word that adds the block, where there is such a method.
    """
    blocks = params.get(group, {})
    for name in names:
        if name not in blocks and (Path("params") / group / f"{name}.yaml").exists():
            found, expected = "a name whose parameters are not there", "them"
            mend = f"add +{group}@{group}.{name}={name} to SET, or to its defaults"
            raise RefusedError(PARAMS, f"{where}.{name}", found, expected, mend)
        check_known(name, blocks, where)


def _trained(params: Mapping[str, Any], study: Study) -> list[str]:
    """Names of the policies training leaves: of weightings and sweeps too."""
    _check_taken(study.learners, params, "train", "study.learners")
    weighted = study.weighted
    _check_taken(weighted.learners, params, "train", "study.weighted.learners")
    schemes = params.get("weighting", {})
    _check_all(weighted.weightings, schemes, "study.weighted.weightings")
    both = [f"{a}-{b}" for a in weighted.learners for b in weighted.weightings]
    check_sweep(params, study)
    tried = grid(params)
    own = [name for learner in study.learners for name in tried[learner] or [learner]]
    return [*own, *both]


def _learned(params: Mapping[str, Any], study: Study) -> tuple[str, ...]:
    """Names of the policies that are learned in a world."""
    blocks, where = params["learn"], "study.learned"
    _check_taken(study.learned, params, "learn", where)
    for name in study.learned:
        if name in params["train"]:
            expected = "another name: a learner of datasets has it"
            raise RefusedError(PARAMS, where, name, expected, MEND)
        check_steps(study.steps, blocks[name], name)
    return study.learned


def _adopted(params: Mapping[str, Any], study: Study) -> tuple[str, ...]:
    """Names of the policies that were trained elsewhere.

    One is a single network, so no interval over training seeds can be shown beside it.
    """
    blocks, where = params["adopted"], "study.adopted"
    _check_all(study.adopted, blocks, where)
    for name in study.adopted:
        if name in params["train"]:
            expected = "another name: a learner has it"
            mend = "adopt it again under another name"
            raise RefusedError(PARAMS, where, name, expected, mend)
        dataset = blocks[name]["dataset"]
        if study.datasets != (dataset,):
            found = f"{name} of {dataset} among {', '.join(study.datasets)}"
            expected = "the policy's dataset alone in study.datasets"
            mend = "make a study of each dataset"
            raise RefusedError(PARAMS, where, found, expected, mend)
    if study.adopted and study.seeds != (0,):
        expected = "[0], as an adopted policy is one network and not one a seed"
        mend = "set study.seeds to [0], or compare two studies with: make compare"
        raise RefusedError(PARAMS, "study.seeds", list(study.seeds), expected, mend)
    return study.adopted


def _made(params: Mapping[str, Any], study: Study) -> list[str]:
    """Names of the variants compression leaves, ``<first>-<then>`` included."""
    first, then = study.chains.first, study.chains.then
    _check_taken(study.compressors, params, "compress", "study.compressors")
    _check_all(first, study.compressors, "study.chains.first")
    _check_taken(then, params, "compress", "study.chains.then")
    return [*study.compressors, *(f"{a}-{b}" for a in first for b in then)]


def _check_lists(
    params: Mapping[str, Any], study: Study, trained: list[str], made: list[str]
) -> None:
    """What later stages take, and what they cannot do without."""
    _check_all(study.policies, trained, "study.policies")
    with_snapshots = [name for name in study.policies if name not in study.adopted]
    _check_all(study.curves, with_snapshots, "study.curves")
    _check_all(study.variants, made, "study.variants")
    _check_taken(study.estimators, params, "estimate", "study.estimators")
    if "float32" not in study.variants:
        raise RefusedError(
            PARAMS,
            "study.variants",
            ", ".join(study.variants),
            "float32 among them, which the others are judged against",
            "add float32 to study.variants",
        )
    if study.curves:
        check_known("learning", params["evaluate"], "evaluate", "nothing")
        if not study.snapshots:
            raise RefusedError(
                PARAMS,
                "study.curves",
                list(study.curves),
                "none, as study.snapshots is 0",
                "keep some snapshots, or empty study.curves",
            )


def _check_sampled(params: Mapping[str, Any], study: Study) -> None:
    """Samplers, and what they are applied to."""
    samplers = [
        name
        for name, block in params["export"].items()
        # a sampler plans network calls; the other methods of the room write graphs
        if hasattr(class_of(block, f"export.{name}"), "plan")
    ]
    sampled = study.sampled
    _check_all(sampled.policies, study.policies, "study.sampled.policies")
    _check_all(sampled.variants, study.variants, "study.sampled.variants")
    _check_all(sampled.samplers, samplers, "study.sampled.samplers")


def _check_played(params: Mapping[str, Any], study: Study) -> None:
    """Datasets that are played: some of the study's, whose world can be."""
    _check_all(study.played, study.datasets, "study.played")
    for name in study.played:
        if name not in played(params):
            raise RefusedError(
                PARAMS,
                "study.played",
                f"{name}, which is known from logs alone",
                "datasets with a world to play in",
                "leave it out of study.played",
            )


def _check_measured(params: Mapping[str, Any], study: Study) -> None:
    """Datasets that are measured, and what training waits for."""
    _check_all(study.measured, study.datasets, "study.measured")
    if study.measured:
        check_known("qdc_metrics", params.get("measure", {}), "measure")
    if study.name == "open":
        expected = "another name: open stands for a gate that nothing has to pass"
        raise RefusedError(PARAMS, "study.name", study.name, expected, "rename it")
    if study.gate != "open" and params["attack"]:
        raise RefusedError(
            PARAMS,
            "study.gate",
            study.gate,
            "open, as attacks wait for a policy that would wait for the gate",
            "set study.gate to open; figures below the gate still stop the study",
        )
    if study.gate != "open" and (study.gate != study.name or not study.measured):
        raise RefusedError(
            PARAMS,
            "study.gate",
            study.gate,
            f"open, or {study.name} where study.measured names datasets",
            "change study.gate",
        )


def _check_paths(
    params: Mapping[str, Any], study: Study, trained: Iterable[str]
) -> None:
    """What claims and beds read: folders that stages of this study write."""
    datasets = [
        f"data/datasets/{name}-v0" for group in MAKERS for name in params[group]
    ]
    policies = [f"data/policies/{d}/{p}" for d in study.datasets for p in trained]
    beds = [f"data/beds/{name}" for name in params["bed"]]
    for name, block in params["bed"].items():
        where = f"bed.{name}"
        _check_path(block["needs_dataset"], [NO_INPUT, *datasets], where, "dataset")
        _check_path(block["needs_policies"], [NO_INPUT, *policies], where, "policies")
    for name, block in params["claim"].items():
        if block["bed"] not in (NO_BED, *beds):
            expected = f"one of {', '.join((NO_BED, *beds))}"
            raise RefusedError(
                PARAMS, f"claim.{name}.bed", block["bed"], expected, MEND
            )


def _check_path(path: str, known: list[str], where: str, what: str) -> None:
    """Refuse a folder that a bed needs and no stage writes."""
    if path not in known:
        field, expected = f"{where}.needs_{what}", f"one of {', '.join(known)}"
        raise RefusedError(PARAMS, field, path, expected, MEND)
