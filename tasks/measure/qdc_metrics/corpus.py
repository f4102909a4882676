"""Word problems and expressions from a grammar, with known answers; and three makers.

A problem begins with a number and takes ``depth`` steps, each of which adds, takes away
or multiplies. It is told by a template, about a topic. The response is the expression,
fully bracketed, and what it comes to: ``((7 + 5) * 2) = 24``.

What is held out (templates, a depth) no maker ever uses, so that a model trained on
what they make can be asked for what it has not seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

TOPICS = ("apples", "books", "coins", "stamps")
SIZES = (9, 99)  # largest operand
DEPTHS, HELD_OUT_DEPTH = (1, 2, 3), 4
OPERATIONS = ("+", "-", "*")


@dataclass(frozen=True)
class Template:
    """A way to tell a problem: how it begins, each operation, and the question."""

    begin: str
    steps: Mapping[str, str]
    question: str


TEMPLATES: dict[str, Template] = {
    "plain": Template("Compute", {}, ""),
    "owner": Template(
        "Ann has {a} {topic}.",
        {"+": "She gets {b} more.", "-": "She gives {b} away.",
         "*": "Now she gets {b} times what she has."},
        "How many {topic} has she?",
    ),
    "shop": Template(
        "A shop has {a} {topic} in store.",
        {"+": "{b} {topic} arrive.", "-": "{b} are sold.",
         "*": "The store grows {b}-fold."},
        "How many {topic} are left in store?",
    ),
    "list": Template(
        "Start with {a} {topic};",
        {"+": "add {b};", "-": "remove {b};", "*": "multiply by {b};"},
        "what is the count?",
    ),
}  # fmt: skip
HELD_OUT: dict[str, Template] = {
    "letter": Template(
        "Dear Tom, in my box there were {a} {topic}.",
        {"+": "My sister put {b} in.", "-": "I took {b} out.",
         "*": "A friend made it {b} times as many."},
        "How many did I find?",
    ),
    "riddle": Template(
        "Think of {a} {topic}.",
        {"+": "Think of {b} besides.", "-": "Forget {b}.", "*": "See them {b}-fold."},
        "What do you see?",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One prompt and response.

    Attributes:
        prompt: Text.
        response: Text.
        answer: What the response should come to, if known.
        verdict: A verifier's word on it, if there is one.
        reward: A reward model's score, if there is one.
        attributes: E.g. template, topic, size.
    """

    prompt: str
    response: str
    answer: int | None = None
    verdict: bool | None = None
    reward: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.prompt} {self.response}"


Maker = Callable[[int, np.random.Generator], list[Record]]


def problem(
    name: str, topic: str, size: int, depth: int, generator: np.random.Generator
) -> Record:
    """One problem with the right response.

    Args:
        name: Of a template, held out or not.
        topic: What is counted.
        size: Largest operand; factors go to 9.
        depth: Steps.
        generator: Draws operands and operations.
    """
    template = {**TEMPLATES, **HELD_OUT}[name]
    value = int(generator.integers(1, size + 1))
    expression, sentences = str(value), [template.begin.format(a=value, topic=topic)]
    for _ in range(depth):
        operation = OPERATIONS[int(generator.integers(len(OPERATIONS)))]
        most = min(size, 9) if operation == "*" else size
        b = int(generator.integers(1, most + 1))
        expression = f"({expression} {operation} {b})"
        value = {"+": value + b, "-": value - b, "*": value * b}[operation]
        if template.steps:
            sentences.append(template.steps[operation].format(b=b, topic=topic))
    question = template.question.format(topic=topic) if template.question else ""
    prompt = (
        " ".join([*sentences, question]) if template.steps else f"Compute {expression}."
    )
    return Record(
        prompt=prompt,
        response=f"{expression} = {value}",
        answer=value,
        attributes={"template": name, "topic": topic, "size": str(size)},
    )


def gold(count: int, generator: np.random.Generator) -> list[Record]:
    """Right answers, all templates, topics, sizes and depths that are not held out."""
    names = list(TEMPLATES)
    return [
        problem(
            names[int(generator.integers(len(names)))],
            TOPICS[int(generator.integers(len(TOPICS)))],
            SIZES[int(generator.integers(len(SIZES)))],
            DEPTHS[int(generator.integers(len(DEPTHS)))],
            generator,
        )
        for _ in range(count)
    ]


def noisy(share: float) -> Maker:
    """As :func:`gold`, with a wrong number at the end of a share of responses."""

    def make(count: int, generator: np.random.Generator) -> list[Record]:
        records = []
        for record in gold(count, generator):
            wrong, off = generator.random() < share, int(generator.integers(1, 10))
            if wrong:
                expression, _, value = record.response.rpartition(" = ")
                response = f"{expression} = {int(value) + off}"
                record = Record(**{**vars(record), "response": response})  # noqa: PLW2901
            records.append(record)
        return records

    return make


def collapsed(count: int, generator: np.random.Generator) -> list[Record]:
    """Right answers to one kind of problem alone."""
    return [
        problem("owner", TOPICS[0], SIZES[0], DEPTHS[0], generator)
        for _ in range(count)
    ]
