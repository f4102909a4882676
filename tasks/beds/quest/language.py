"""A language model of characters, trained at few bits; one arm is one way to train it.

Architecture, optimiser and schedule are those of Panferov et al. 2025 (arXiv
2502.05003) and its official code, in small: the text is Python's standard library, a
symbol is a character. All seeds of an arm are one stack.
"""

import hashlib
import math
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.seeding import generator
from tasks.beds import Report
from tasks.nets.language import CharacterModel
from tasks.nets.quest import Quest

# modules of Python's standard library, in this order
MODULES = """
abc argparse ast base64 bdb bisect calendar cmd code codecs compileall configparser
contextlib copy csv dataclasses datetime decimal difflib dis doctest enum filecmp
fileinput fnmatch fractions ftplib functools getopt gettext glob graphlib gzip hashlib
heapq hmac imaplib inspect io ipaddress linecache locale lzma mailbox mimetypes
modulefinder netrc ntpath numbers opcode operator optparse os pathlib pdb pickle
pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats pty pyclbr
pydoc queue quopri random reprlib runpy sched selectors shelve shlex shutil smtplib
socket socketserver ssl stat statistics string struct subprocess symtable sysconfig
tabnanny tarfile tempfile textwrap threading timeit tokenize trace traceback tracemalloc
types typing uuid warnings wave weakref webbrowser zipapp zipfile _pydecimal _pyio
_strptime turtle
"""
SYMBOLS = "\n" + "".join(map(chr, range(32, 127)))  # 96; others are left out
HELD_OUT = 0.1  # of each module, its end
ARMS: Mapping[str, Mapping[str, Any]] = {
    "float": {},
    "quest": {},
    "no_hadamard": {"block": 1},
    "no_trust": {"trust": False},
    "ste": {"block": 1, "trust": False, "scale": "absmax"},
    "lsq": {"block": 1, "trust": False, "scale": "learned"},
}


@dataclass(frozen=True)
class Settings:
    """What all arms share; see params/beds/quest.yaml for units and ranges."""

    seeds: tuple[int, ...]
    steps: int
    batch: int
    rate: float
    width: int
    heads: int
    layers: int
    context: int
    block: int
    windows: int


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: Of ``ARMS``.
        bits: Of weights and activations; 32 of ``float``.
    """

    name: str
    bits: float

    def __str__(self) -> str:
        """As in a table."""
        bits = f"{self.bits:g}"
        return self.name if self.name == "float" else f"{self.name} W{bits}A{bits}"


@dataclass(frozen=True)
class Text:
    """Characters by their numbers in ``SYMBOLS``, and the hash of both parts.

    Attributes:
        train: (N,), int64.
        held_out: (M,), int64.
        sha256: Of the text.
    """

    train: Tensor
    held_out: Tensor
    sha256: str


def read_text() -> Text:
    """The source of the running Python's own modules.

    Raises:
        RefusedError: If this Python came without its source.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    number = np.full(0x110000, -1, np.int64)
    number[[ord(c) for c in SYMBOLS]] = np.arange(len(SYMBOLS))
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for name in MODULES.split():
        path = folder / f"{name}.py"
        if not path.exists():  # moved between versions of Python
            continue
        text = path.read_text(encoding="utf-8")
        codes = number[np.array([ord(c) for c in text])]
        codes = codes[codes >= 0]
        cut = round((1 - HELD_OUT) * len(codes))
        for part, piece in zip(parts, (codes[:cut], codes[cut:]), strict=True):
            part.append(piece)
    if sum(map(len, parts[0])) < 1_000_000:
        raise RefusedError(
            folder,
            "text",
            f"{len(parts[0])} of {len(MODULES.split())} modules",
            "the source of Python's standard library",
            "install a Python with its source",
        )
    train, held_out = (np.concatenate(part) for part in parts)
    digest = hashlib.sha256(train.tobytes() + held_out.tobytes()).hexdigest()
    return Text(torch.from_numpy(train), torch.from_numpy(held_out), digest)


def build(arm: Arm, given: Settings) -> CharacterModel:
    """A network of the arm's layers, all seeds in one stack, drawn anew."""
    size = (len(given.seeds), len(SYMBOLS), given.width, given.heads)
    more: dict[str, Any] = {}
    if arm.name != "float":
        switches = {"block": given.block, **ARMS[arm.name], "bias": False}
        more["make"] = partial(_layer, bits=arm.bits, **switches)
    network = CharacterModel(*size, given.layers, given.context, **more)
    network.initialise([generator(seed, "language") for seed in given.seeds])
    return network


def _layer(stack: int, inputs: int, outputs: int, **switches: Any) -> Quest:
    return Quest(stack, inputs, outputs, **switches)


def loss_of(network: nn.Module, text: Tensor) -> Tensor:
    """Nats a character, a seed: windows (S, B, T + 1) -> (S,)."""
    return nats(network(text[..., :-1]), text[..., 1:])


def nats(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy, a seed: (S, B, T, V), (S, B, T) -> (S,)."""
    losses = functional.cross_entropy(
        logits.flatten(0, 2), wanted.flatten(), reduction="none"
    )
    return losses.view(len(wanted), -1).mean(1)


def held_out(text: Text, given: Settings) -> Tensor:
    """Windows to judge by, evenly over what was held out: (windows, T + 1)."""
    length = given.context + 1
    last = len(text.held_out) - length
    starts = torch.linspace(0, last, given.windows).long()
    return text.held_out[starts[:, None] + torch.arange(length)]


def judged(network: nn.Module, windows: Tensor) -> Tensor:
    """Nats a character held out, a seed: (N, T + 1) -> (S,)."""
    stack = network.get_parameter("head.weight").shape[0]
    shares = []
    with torch.no_grad():
        for part in torch.split(windows, 64):
            loss = loss_of(network, part.expand(stack, -1, -1))
            shares.append(loss * len(part) / len(windows))
    return torch.stack(shares).sum(0)


def trivial(text: Text) -> float:
    """Nats a character held out, where a character is guessed by the one before it.

    Pairs are counted in the text to learn, each begun with one half.
    """
    size = len(SYMBOLS)
    pairs = torch.bincount(text.train[:-1] * size + text.train[1:], minlength=size**2)
    counts = pairs.view(size, size) + 0.5
    logs = (counts / counts.sum(1, keepdim=True)).log()
    return float(-logs[text.held_out[:-1], text.held_out[1:]].mean())


def train(
    arm: Arm, text: Text, given: Settings, report: Report = lambda _: None
) -> CharacterModel:
    """Train an arm by AdamW (0.9, 0.95), weight decay 0.1, gradients clipped.

    The rate rises for a tenth of the steps and falls to a tenth, as a cosine. A seed's
    gradient has a norm of 1 at most.
    """
    network = build(arm, given)
    grouped: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for name, parameter in network.named_parameters():
        plain = "norm" in name or name.endswith("steps")  # neither decays
        grouped[plain].append(parameter)
    groups = [
        {"params": some, "weight_decay": decay}
        for some, decay in zip(grouped, (0.1, 0.0), strict=True)
    ]
    optimiser = AdamW(groups, lr=given.rate, betas=(0.9, 0.95), fused=True)
    parameters = [*grouped[0], *grouped[1]]
    windows = _draws(text, given)
    for done in range(given.steps):
        loss = loss_of(network, next(windows))
        network.zero_grad()
        torch.autograd.backward(loss.sum())
        _clip(parameters)
        for group in optimiser.param_groups:
            group["lr"] = given.rate * schedule(done / given.steps)
        optimiser.step()
        report((done + 1) / given.steps)
    return network


def schedule(share: float) -> float:
    """Of the largest rate, at a share of all steps: 0.01 to 1 in 0.1, then to 0.1."""
    if share < 0.1:
        return 0.01 + 0.99 * share / 0.1
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (share - 0.1) / 0.9))


def _draws(text: Text, given: Settings) -> Iterator[Tensor]:
    """Windows to train on, (S, B, T + 1), each seed its own."""
    draws = [generator(seed, "language windows") for seed in given.seeds]
    places = torch.arange(given.context + 1)
    top = len(text.train) - given.context
    while True:
        starts = [torch.randint(top, (given.batch, 1), generator=g) for g in draws]
        yield text.train[torch.stack(starts) + places]


def _clip(parameters: Sequence[nn.Parameter]) -> None:
    """Bring each seed's gradient to a norm of at most 1."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients])
    factor = (1 / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1)  # (S,)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
