"""Behaviors: the policies that make the experience, trained online by SAC or DQN.

They are small ONNX files kept in git under ``data/behaviors/``, so that no run has to
train them. ``make behaviors WORLD=<world>`` alone makes them again.
"""
