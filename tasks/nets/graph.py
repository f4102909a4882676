"""A small writer of ONNX graphs, handed to each layer's ``emit``."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # files are also opened where importing torch costs too much
    import onnx
    import torch

FLOAT, UINT8, DOUBLE = 1, 2, 11  # numbers of ONNX's element types
FEW = 6  # float64 numbers that take no more bytes than float32 and a node that widens


class Graph:
    """Nodes and initialisers of one ONNX graph in the order they were added.

    Names are those of the layers (``layer0.weight``); ``tidy.py`` shortens them.

    Args:
        folds: Layers of floats may take what stands before them into their weights.
    """

    def __init__(self, folds: bool = True) -> None:
        self.folds = folds
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._names: set[str] = set()
        self._call = ""  # prefix of nodes inside again()
        self.double = False  # inside in_double() floats are float64
        self._other: dict[str, str] = {}  # a value's name -> that of its float64 form
        self._ends: set[str] = set()  # float32 values to be made inside in_double

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

    @contextmanager
    def in_double(
        self, inputs: Iterable[str], outputs: Iterable[str]
    ) -> Iterator[None]:
        """Inside, floats are float64: sums of another order agree to 1e-16, not 1e-7.

        Nodes are added as ever. Constants lie in the file as float32 and are widened
        as it is opened; scalars and constants of few numbers are float64. Inside
        another such part it does nothing.

        Args:
            inputs: float32 values from outside that are read inside.
            outputs: Values made inside that shall be float32, as those outside read.
        """
        if self.double:
            yield
            return
        self.double, self._ends = True, set(outputs)
        for name in inputs:
            self._other[name] = f"{name}.double"
            if f"{name}.double" not in self._names:
                self._cast(name, f"{name}.double", DOUBLE)
        try:
            yield
        finally:
            self.double, self._ends, self._other = False, set(), {}

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node of the standard domain with one output; return its name."""
        from onnx import helper

        name = self._call + name
        sources = [self._other.get(x, x) for x in inputs]
        out = name
        if name in self._ends:
            out = self._other[name] = f"{name}.double"
        self._claim(out)
        self.nodes.append(helper.make_node(op, sources, [out], name=out, **attributes))
        if out != name:
            self._cast(out, name, FLOAT)
        return name

    def split(self, x: str, *names: str) -> None:
        """Append a Split into equal parts of these names, along the last axis."""
        from onnx import helper

        for name in names:
            self._claim(name)
        node = helper.make_node("Split", [x], names, axis=-1, num_outputs=len(names))
        self.nodes.append(node)

    def _cast(self, x: str, name: str, kind: int) -> None:
        from onnx import helper

        self._claim(name)
        self.nodes.append(helper.make_node("Cast", [x], [name], name=name, to=kind))

    def scalar(self, name: str, value: float) -> str:
        """Append a float, or of a whole number an int64, without axes."""
        real = np.float64 if self.double else np.float32
        kind = np.int64 if isinstance(value, int) else real
        return self._keep(name, np.array(value, kind))

    def has(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return name in self._names

    def shared(self, name: str, value: "torch.Tensor | np.ndarray") -> str:
        """An initialiser of whole numbers that several parts name alike and share."""
        return name if name in self._names else self.constant(name, value)

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

        wide = self.double and array.dtype == np.float32
        if wide and array.size <= FEW:
            wide, array = False, array.astype(np.float64)
        tensor = numpy_helper.from_array(array, f"{name}.single" if wide else name)
        if self._call and name in self._names:
            if tensor not in self.initialisers:
                raise ValueError(f"two constants named {name} differ")
            return name
        self._claim(tensor.name)
        self.initialisers.append(tensor)
        if wide:
            self._cast(tensor.name, name, DOUBLE)
        return name

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the graph has two values named {name}")
        self._names.add(name)
