"""Quality, diversity and complexity of a corpus: prompts, responses, verdicts.

Tokens are words, numbers and signs. Perplexity and the instruction-following difficulty
need a language model that reads the prompt; this project has none yet, so both are
unavailable. Records may bring a reward model's score.

Shapes: n records, V different n-grams, R resamples.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tasks.measure.qdc_metrics import diversity as sets
from tasks.measure.qdc_metrics.corpus import Record
from tasks.measure.qdc_metrics.expressions import Parsed, parse
from tasks.measure.qdc_metrics.figures import (
    Bootstrap,
    Doubles,
    Measure,
    Wholes,
    unavailable,
)

TOKEN = re.compile(r"\w+|[^\w\s]")
ORDERS = (1, 2, 3, 4)
NO_MODEL = "there is no language model here that reads the prompt"
NO_ANSWER = "neither answers nor verdicts are known"
NO_REWARD = "no record has a reward"


def tokens(text: str) -> list[str]:
    """Words, numbers and signs."""
    return TOKEN.findall(text)


def grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams, in order."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def quality(records: Sequence[Record], boot: Bootstrap) -> dict[str, Measure]:
    """Verdicts, whether responses parse, whether they are true in themselves.

    A verdict that a record brings counts; else the last number is held against the
    answer.
    """
    parsed = [parse(record.response) for record in records]
    verdicts = [_verdict(record, p) for record, p in zip(records, parsed, strict=True)]
    rewards = [record.reward for record in records]
    share = (0.0, 1.0)
    whole = np.array([p is not None for p in parsed], np.float64)
    sound = np.array([p is not None and p.value == p.stated for p in parsed])
    scored = all(reward is not None for reward in rewards)
    return {
        "accuracy": unavailable("ground truth", NO_ANSWER)
        if None in verdicts
        else boot.mean(np.array(verdicts, np.float64), "ground truth", ends=share),
        "well_formed": boot.mean(whole, "attribute", ends=share),
        "consistent": boot.mean(sound.astype(np.float64), "attribute", ends=share),
        "reward": boot.mean(np.array(rewards, np.float64), "model")
        if scored
        else unavailable("model", NO_REWARD),
        "perplexity": unavailable("model", NO_MODEL, -1),
    }


def _verdict(record: Record, parsed: Parsed | None) -> bool | None:
    """Right or wrong, or not known."""
    if record.verdict is not None:
        return record.verdict
    if record.answer is None:
        return None
    return parsed is not None and parsed.stated == record.answer


def diversity(
    records: Sequence[Record], boot: Bootstrap, *, budget: int, bleu: int, total: int
) -> dict[str, Measure]:
    """Lexical, attribute and embedding figures.

    Args:
        records: In shuffled order.
        boot: Of as many.
        budget: Tokens; of these the n-grams are counted, as their variety falls with
            the size of a corpus.
        bleu: Records compared in self-BLEU.
        total: Combinations of attributes there are; 0 where records have none.
    """
    words = [tokens(record.text) for record in records]
    kept = within(words, budget)
    few = Bootstrap(len(kept), len(boot.counts), boot.confidence, boot.seed)
    figures = {f"distinct_{n}": distinct(kept, n, few) for n in ORDERS}
    figures["type_token"] = distinct(kept, 1, few)
    some = words[:bleu]
    near = Bootstrap(len(some), len(boot.counts), boot.confidence, boot.seed)
    each = np.array(self_bleu(some))
    figures["self_bleu"] = near.mean(each, "lexical", sign=-1, ends=(0.0, 1.0))
    figures["redundancy"] = redundancy([r.text for r in records[: len(kept)]], few)
    figures["vendi"] = sets.vendi_measure(tfidf(words), boot)
    combos = [tuple(sorted(record.attributes.items())) for record in records]
    if total == 0:
        figures["attributes"] = unavailable("attribute", "records have no attributes")
        return figures
    _, cell = np.unique([repr(c) for c in combos], return_inverse=True)
    table = sets.counts_of(cell, np.arange(len(cell)), len(cell), total)
    figures["attributes"] = sets.coverage(table, boot)
    return figures


def complexity(records: Sequence[Record], boot: Bootstrap) -> dict[str, Measure]:
    """Tokens, parse depth, operators, statements of the prompt.

    Depth and operators are of the responses that parse.
    """
    parsed = [p for record in records if (p := parse(record.response)) is not None]
    size = np.array([len(tokens(record.response)) for record in records], np.float64)
    statements = [len(re.findall(r"[.;?!]", record.prompt)) for record in records]
    figures = {"tokens": boot.mean(size, "length")}
    if parsed:
        some = Bootstrap(len(parsed), len(boot.counts), boot.confidence, boot.seed)
        for name in ("depth", "operators"):
            values = np.array([getattr(p, name) for p in parsed], np.float64)
            figures[name] = some.mean(values, "structure")
    else:
        for name in ("depth", "operators"):
            figures[name] = unavailable("structure", "no response parses")
    figures["statements"] = boot.mean(np.array(statements, np.float64), "structure")
    figures["ifd"] = unavailable("model", NO_MODEL)
    return figures


def within(words: Sequence[list[str]], budget: int) -> list[list[str]]:
    """The first records that a budget of tokens holds, the last one cut."""
    kept, left = [], budget
    for one in words:
        if left <= 0:
            break
        kept.append(one[:left])
        left -= len(one)
    return kept


def distinct(words: Sequence[list[str]], n: int, boot: Bootstrap) -> Measure:
    """Different n-grams over all n-grams (Li et al. 2016); n = 1: type-token ratio."""
    codes: dict[tuple[str, ...], int] = {}
    rows: list[Wholes] = [
        np.array([codes.setdefault(g, len(codes)) for g in grams(one, n)], np.int64)
        for one in words
    ]
    sizes = np.array([len(row) for row in rows], np.float64)
    if not codes:
        return unavailable("lexical", f"no response has {n} tokens")
    flat, owner = (
        np.concatenate(rows),
        np.repeat(np.arange(len(rows)), sizes.astype(int)),
    )

    def of(counts: Doubles) -> float:
        seen = np.zeros(len(codes), bool)
        seen[flat[counts[owner] > 0]] = True
        return float(seen.sum() / max(counts @ sizes, 1))

    draws = np.array([of(counts) for counts in boot.counts])
    value = of(np.ones(len(rows)))
    return boot.around(value, draws, "lexical", ends=(0, 1), n=int(sizes.sum()))


def self_bleu(words: Sequence[list[str]]) -> list[float]:
    """BLEU-4 of each record against all others, add-one smoothing at every order.

    Source: Zhu et al. 2018 (Texygen); BLEU with the closest length's brevity penalty.
    1 where all are the same.
    """
    scores = np.zeros(len(words))
    for n in ORDERS:
        counted = [Counter(grams(one, n)) for one in words]
        top: dict[tuple[str, ...], list[int]] = {}  # the two largest counts
        for counts in counted:
            for gram, count in counts.items():
                first, second = top.get(gram, [0, 0])
                top[gram] = sorted([first, second, count])[:0:-1]
        for i, counts in enumerate(counted):
            matched = 0
            for gram, count in counts.items():
                first, second = top[gram]
                other = second if count == first else first
                matched += min(count, other)
            scores[i] += np.log((matched + 1) / (sum(counts.values()) + 1)) / len(
                ORDERS
            )
    lengths = np.array([len(one) for one in words], np.float64)
    for i, length in enumerate(lengths):
        others = np.delete(lengths, i)
        closest = others[np.abs(others - length).argmin()]
        scores[i] += min(0.0, 1 - closest / max(length, 1))
    return np.exp(scores).tolist()


def redundancy(texts: Sequence[str], boot: Bootstrap) -> Measure:
    """Raw bytes over bytes of zlib, level 9; high where texts repeat each other."""
    coded = [f"{text}\n".encode() for text in texts]
    whole = b"".join(coded)
    value = len(whole) / len(zlib.compress(whole, 9))
    raw = np.array([len(one) for one in coded], np.float64)
    after, before = [], b""
    for one in coded:
        after.append(sets.deflated(one, before))
        before = (before + one)[-sets.WINDOW :]
    draws = (boot.counts @ raw) / (boot.counts @ np.array(after, np.float64))
    draws = draws * value * sum(after) / len(whole)  # the intervals' shape alone
    return boot.around(value, draws, "lexical", sign=-1, n=len(whole))


def tfidf(words: Sequence[list[str]]) -> Doubles:
    """Cosine kernel (n, n) of TF-IDF weighted word 1- and 2-grams.

    idf = ln((1 + n) / (1 + df)) + 1, rows of unit length, as scikit-learn has it.
    """
    codes: dict[tuple[str, ...], int] = {}
    rows = [
        Counter(codes.setdefault(g, len(codes)) for n in (1, 2) for g in grams(one, n))
        for one in words
    ]
    table = np.zeros((len(rows), len(codes)), np.float32)
    for i, row in enumerate(rows):
        table[i, list(row)] = list(row.values())
    seen = (table > 0).sum(0)
    table *= np.log((1 + len(rows)) / (1 + seen)) + 1
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    kernel = (table @ table.T).astype(np.float64)
    np.fill_diagonal(kernel, 1.0)
    return kernel
