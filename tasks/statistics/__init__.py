"""Statistics: intervals, verdicts and comparisons, the one home of all three.

``intervals.py`` holds every bootstrap of the project: over training seeds and episodes,
over logged episodes, over counts of what was drawn. ``verdict.py`` says whether a
policy's files are as good as those they are compared with, by the parameters of
``rule.py``. ``composition.py`` puts measured datasets side by side.
"""
