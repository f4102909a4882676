"""A small writer of ONNX graphs, handed to each layer's ``emit``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # files are also opened where importing torch costs too much
    import onnx
    import torch


class Graph:
    """Nodes and initialisers of one ONNX graph in the order they were added.

    Names are readable (``layer0.weight``), so that graphs can be compared by eye.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._names: set[str] = set()
        self._call = ""  # of a part that is there several times, see again

    @contextmanager
    def again(self, call: str) -> Iterator[None]:
        """Inside, a part is added that may have been added before.

        Its nodes get names of their own, ``<call>/<name>``; its initialisers are those
        of the first time, so weights stand in the file once.

        Args:
            call: A name of this time.
        """
        before, self._call = self._call, f"{call}/"
        try:
            yield
        finally:
            self._call = before

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node of the standard domain with one output; return its name."""
        from onnx import helper

        name = self._call + name
        self._claim(name)
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name=name, **attributes)
        )
        return name

    def scalar(self, name: str, value: float) -> str:
        """Append a float32, or of a whole number an int64, without axes."""
        kind = np.int64 if isinstance(value, int) else np.float32
        return self._keep(name, np.array(value, kind))

    def constant(
        self, name: str, value: "torch.Tensor | np.ndarray", kind: str | None = None
    ) -> str:
        """Append an initialiser; return its name.

        Args:
            name: Its name in the graph.
            value: At least one axis, others get one. For packed kinds the unpacked
                codes.
            kind: An ONNX element type numpy lacks, e.g. ``"INT4"`` (two codes a
                byte, first code in the low nibble); None keeps the array's own.

        Raises:
            ValueError: If the name was used before.
        """
        from onnx import TensorProto, helper

        if not isinstance(value, np.ndarray):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
        if kind is not None:
            number = getattr(TensorProto, kind)
            array = array.astype(helper.tensor_dtype_to_np_dtype(number))
        return self._keep(name, np.ascontiguousarray(array))

    def _keep(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(array, name)
        if self._call and name in self._names:
            if tensor not in self.initialisers:
                raise ValueError(f"two constants named {name} differ")
            return name
        self._claim(name)
        self.initialisers.append(tensor)
        return name

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the graph has two values named {name}")
        self._names.add(name)
