"""Datasets in other formats, which the readers of ``imported`` read back."""
