"""Behaviors: the policies that make the experience, trained online with SAC.

They are small ONNX files kept in git under ``data/behaviors/``, so a fresh clone skips
this training; ``dvc repro -f behaviors@hopper`` does it again.
"""
