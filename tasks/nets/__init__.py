"""Layers and networks shared by train, compress and export.

Every network is a stack: all its tensors begin with an axis [S], one slice a seed, and
a layer is one batched matrix product over that axis. Slice k depends on seed k alone.

Each layer has two faces side by side: ``forward`` for torch and ``emit`` for ONNX. The
parity gate of the export stage holds them together. Where a network's ``emit`` is long
it has a file of its own, ``<network>_graph.py``.
"""
