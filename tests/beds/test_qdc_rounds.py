"""The loop of the language model: its lines, its filters, its rounds."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tasks.artifacts.errors import RefusedError
from tasks.beds.qdc_metrics.rounds import (
    LENGTH,
    SYMBOLS,
    Rounds,
    begun,
    best_of_cells,
    cell_of,
    coded,
    gold,
    is_right,
    likelihoods,
    looped,
    nats,
    right_ones,
    written,
)
from tasks.claims.qdc_metrics import falls
from tests.beds.archive_files import params

GIVEN: Rounds = params().loop()
LINES = ["(1 + 2) = 3", "(1 + 5) = 6", "(1 + 5) = 7", "((9 * 9) * 9) = 729", "(1 +"]


def test_every_right_line_fits_and_is_read_back():
    lines = gold(500, np.random.default_rng(0))
    assert all(map(is_right, lines))
    rows = coded(lines)
    assert rows.shape == (500, LENGTH + 1)
    for line, row in zip(lines, rows.tolist(), strict=True):
        assert "".join(SYMBOLS[i] for i in row).split("\n")[1] == line
        assert row[-1] == 0  # its end is learned too


def test_cells_are_operations_and_the_first_number():
    assert [cell_of(line) for line in LINES] == ["1 +", "1 +", "1 +", "9 **", "1 "]
    lines = gold(20_000, np.random.default_rng(1))
    assert len({cell_of(line) for line in lines}) == 9 * 3 + 9 * 9


def test_filters_keep_right_lines():
    likely = np.array([-3.0, -2, -1, -9, 0])
    draw = np.random.default_rng(0)
    assert best_of_cells(LINES, likely) == [LINES[1], LINES[3]]
    right = {LINES[0], LINES[1], LINES[3]}
    kept = right_ones(LINES, 2, draw)
    assert len(set(kept)) == 2
    assert set(kept) <= right
    assert set(right_ones(LINES, 9, draw)) == right
    for refuse in (
        lambda: best_of_cells(LINES[2:3], likely),
        lambda: right_ones(LINES[2:3], 1, draw),
    ):
        with pytest.raises(RefusedError, match="text_steps"):
            refuse()


def test_a_line_costs_what_its_characters_cost_up_to_its_end():
    model, rows = begun(GIVEN), coded(LINES[:2]).expand(2, -1, -1)
    found = nats(model, rows)
    logits = model(rows[..., :-1]).log_softmax(-1)
    for s in range(2):
        for b in range(2):
            size = len(LINES[b]) + 1
            spent = functional.nll_loss(
                logits[s, b, :size], rows[s, b, 1 : size + 1], reduction="sum"
            )
            assert float(found[s, b].detach()) == pytest.approx(
                float(spent.detach()), rel=1e-5
            )
    many = [LINES[:2]] * 2
    assert likelihoods(model, many) == pytest.approx(-found.detach().numpy(), rel=1e-5)


def test_lines_are_written_as_likely_as_they_are():
    model = begun(GIVEN)
    with torch.no_grad():
        for part in model.parameters():
            part.zero_()
    lines = written(model, GIVEN, "even")
    assert len(lines) == 2
    assert lines != [lines[0]] * 2  # each seed its own
    empty = np.mean([line == "" for some in lines for line in some])
    assert empty == pytest.approx(1 / len(SYMBOLS), abs=0.06)


def test_the_loop_measures_every_round_and_comes_out_the_same():
    metrics, shares = params().measured(), list[float]()
    found = looped(GIVEN, metrics, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert found == looped(GIVEN, metrics)
    for told in found.values():
        assert np.array(told["diversity"]).shape == (2, 2)
        assert np.array(told["accuracy"]).shape == (2, 2)
        assert np.array(told["kept"]).shape == (2, 1)
    one, other = found.values()
    assert one["kept"] == other["kept"]
    for s in range(2):
        assert one["diversity"][s][0] == pytest.approx(other["diversity"][s][0])


def test_the_loop_is_said_seed_by_seed():
    told = {
        name: {"diversity": [[1.0, last] for last in ends]}
        for name, ends in (("quality", [-1.0, -3.0]), ("cells", [0.0, 2.0]))
    }
    start, cells = falls(told)
    assert (start.value, start.n) == (3.0, 2)  # falls of 2 and 4
    assert (cells.value, cells.n) == (3.0, 2)  # leads of 1 and 5
    assert start.low < 2
    assert start.high > 4
