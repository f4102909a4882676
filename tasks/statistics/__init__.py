"""Statistics: intervals and verdicts, the one home of both.

``intervals.py`` holds every bootstrap of the project: over training seeds and episodes,
over logged episodes, over counts of what was drawn. ``verdict.py`` says whether a
policy's files are as good as those they are compared with, by the parameters of
``rule.py``.
"""
