"""What a study of predictors may say, and what it may not.

Every dataset meets every learner, so a study is of policies or of predictors. What asks
for a return has nothing to do in the second.
"""

from collections.abc import Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, check_known, class_of, resolve
from tasks.artifacts.played import predicted
from tasks.artifacts.study import Study

# lists of a study that ask for a return, or for a world
OF_RETURNS = ("curves", "estimators", "measured", "learned", "adopted", "played")


def check_predicted(params: Mapping[str, Any], study: Study) -> None:
    """Check the learners, the metrics and what else there is of predictors.

    Args:
        params: The composed parameters.
        study: Its block ``study``.

    Raises:
        RefusedError: If the study mixes datasets of episodes and of arrays, a learner
            is for the others, a return is asked of predictors, a metric of policies,
            or predictors are judged by nothing.
    """
    arrays = predicted(params)
    if list(study.predicted) != arrays:
        expected = f"{arrays}, the study's datasets of the block arrays"
        raise RefusedError(PARAMS, "study.predicted", study.predicted, expected, MEND)
    base = resolve("tasks.train.PredictorLearner", "train")
    for name in (*study.learners, *study.weighted.learners):
        if issubclass(class_of(params["train"][name], "train"), base) != bool(arrays):
            found = f"{name}, a learner of " + ("actions" if arrays else "named arrays")
            expected = f"learners that fit {', '.join(study.datasets)}"
            mend = "change study.learners or study.datasets"
            raise RefusedError(PARAMS, "study.learners", found, expected, mend)
    _check_metrics(params, study, arrays)
    if not arrays:
        return
    if len(arrays) < len(study.datasets):
        found, expected = ", ".join(study.datasets), "named arrays alone, or episodes"
        mend = "make a study of each kind"
        raise RefusedError(PARAMS, "study.datasets", found, expected, mend)
    asked = {name: getattr(study, name) for name in OF_RETURNS}
    asked |= {"weighted.learners": study.weighted.learners}
    asked |= {"sampled.policies": study.sampled.policies}
    asked |= {"gate": () if study.gate == "open" else (study.gate,)}
    for name, value in asked.items():
        if value:
            expected = "none: a predictor acts in no world and has no return"
            mend = f"empty study.{name}" if name != "gate" else "set study.gate to open"
            raise RefusedError(
                PARAMS, f"study.{name}", ", ".join(value), expected, mend
            )


def _check_metrics(params: Mapping[str, Any], study: Study, arrays: list[str]) -> None:
    """Metrics are there where, and only where, something predicts."""
    if bool(study.metrics) != bool(arrays):
        found = ", ".join(study.metrics) or "nothing"
        expected = "the metrics of the predictors" if arrays else "none for policies"
        mend = "name some of the block evaluate" if arrays else "empty study.metrics"
        raise RefusedError(PARAMS, "study.metrics", found, expected, mend)
    base = resolve("tasks.evaluate.Metric", "evaluate")
    for name in study.metrics:
        check_known(name, params["evaluate"], "study.metrics")
        if not issubclass(class_of(params["evaluate"][name], "evaluate"), base):
            found, mend = f"{name}, which is none", "take it out of study.metrics"
            raise RefusedError(PARAMS, "study.metrics", found, "metrics", mend)
