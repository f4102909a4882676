"""The graph on plain threads, as a terminal shows it."""

from pathlib import Path

from tests.flows.toy import Toy
from tests.terminal import in_terminal

# the same as `python -m flows --local`, without its patience
RUN = """
import tasks.artifacts.progress, flows.engine.progress, flows.__main__, sys
tasks.artifacts.progress.SHORT = flows.engine.progress.SHORT = 0
sys.argv = ["flows", "--local"]
flows.__main__.main()
"""


def test_in_a_terminal_a_bar_stands_below_the_lines(tmp_path: Path):
    step = "echo 'learn: 1/4, 9 s left  loss 2'; echo 'a word'; sleep 1.5; echo x > out"
    toy = Toy(tmp_path / "toy", {"slow": {"cmd": step, "outs": ["out"]}})
    said = in_terminal("-c", RUN, folder=toy.folder, env=toy.env)
    assert "slow: a word\r\n" in said
    assert "slow: learn" not in said  # the bar has it
    bars = [line for line in said.replace("\n", "\r").split("\r") if "━" in line]
    assert any(" s left slow 25 % (" in line for line in bars), said
    assert "100%" in bars[-1]
    assert not any("a word" in line for line in bars)
    lines = toy.flow("--force").splitlines()
    assert "slow: learn: 1/4, 9 s left  loss 2" in lines
    assert lines[-1] == "1 stages: 1 completed"
