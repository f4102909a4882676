"""ONNX files of other makers whose graph is a chain of layers.

A graph says nothing of what its numbers mean, so who adopts it does:

| parameter | |
|---|---|
| ``input``, ``output`` | names in the graph |
| ``normaliser`` | ``none``; ``inside`` the graph; ``beside`` it, as norm.npz |
| ``action`` | ``world``: the output is in the world's units |
| | ``scaled``: it is in [-1, 1], which stands for the world's bounds |
| | ``logits`` or ``q``: a number an action, of which the largest is chosen |
| ``clip`` | whether who plays it clips the output: to the bounds, or to [-1, 1] |

The chain (``graph.py``) is Gemm, or MatMul and Add, with Relu or Tanh between, numbers
that are added to or multiplied with values, and at the end a Tanh or a Clip. The policy
is compared with the graph in onnxruntime before it is believed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tasks.adopt import Adoption, AdoptParams
from tasks.adopt.cores.network import Network
from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.foreign_onnx.chain import network_of
from tasks.adopt.foreign_onnx.graph import read_chain
from tasks.artifacts.params import OneOf


@dataclass(frozen=True)
class ForeignOnnxParams(AdoptParams):
    """Parameters of ``foreign_onnx``, as the table above says."""

    input: str
    output: str
    normaliser: Annotated[str, OneOf(("none", "inside", "beside"))]
    action: Annotated[str, OneOf(("world", "scaled", "logits", "q"))]
    clip: bool


class ForeignOnnx(Adoption[ForeignOnnxParams]):
    """Reads a chain of layers out of a graph."""

    file = "policy.onnx"

    def read(self, folder: Path, spaces: Spaces) -> Network:
        """The network of the chain between the input and the output named."""
        p, path = self.params, folder / self.file
        steps = read_chain(path, p.input, p.output)
        inside = p.normaliser == "inside"
        return network_of(path, steps, spaces, p.action, clip=p.clip, inside=inside)
