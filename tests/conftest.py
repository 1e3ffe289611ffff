"""What tests of every part use."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import attack
import pytest
from typer.testing import CliRunner

from attncli.cli.main import app

WORDS = {"der": "the", "eine": "a", "Hund": "dog", "Kuh": "cow", "rennt": "runs", "schläft": "sleeps", "nie": "never"}
CONFIG = """\
task: translation
data:
  root: {root}
  train: {{source: train.de, target: train.en}}
  dev: {{source: dev.de, target: dev.en}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 9, shared: false}}
model:
  embedding_size: 6
  encoder: {{hidden_size: 10}}
  attention: {{score: additive, size: 7}}
  decoder: {{hidden_size: 8, input_feeding: true}}
training: {{batch_tokens: 60, max_steps: 12, learning_rate: 0.03, validate_every: 6, checkpoint_every: 5, log_every: 4}}
search: {{beam_size: 3, max_length: 9, batch_size: 4}}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("attack")
    group.addoption("--attack", type=int, default=1, metavar="FACTOR", help="try FACTOR times as many hostile inputs")
    group.addoption("--attack-seed", type=int, metavar="SEED", help="with --attack: the seed of what is tried")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "attack: tries hostile inputs, as many as --attack says")
    # Written back, so that the processes of pytest-xdist, which get the options, draw the same.
    if config.option.attack > 1 and config.option.attack_seed is None:
        config.option.attack_seed = random.SystemRandom().randrange(10**6)
    attack.set_attack(config.option.attack, config.option.attack_seed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.attack > 1:
        asked = f"--attack {config.option.attack} --attack-seed {config.option.attack_seed}"
        terminalreporter.write_line(f"the same attack again: {asked}")


@pytest.fixture
def attack_factor() -> int:
    """Return how many times the cases of the default suite an attack shall try."""
    return attack.scaled(1)


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real data beside the project, or skip."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"there is no real data in {folder}")
    return folder


def write_corpus(folder: Path) -> Path:
    """Write 36 training and 5 dev pairs of 1 to 6 words into `folder`, and return a configuration for them."""
    draw = random.Random(1)
    for name, count in (("train", 36), ("dev", 5)):
        sources = [draw.choices(list(WORDS), k=draw.randint(1, 6)) for _ in range(count)]
        targets = [[WORDS[word] for word in source] for source in sources]
        for suffix, lines in (("de", sources), ("en", targets)):
            text = "".join(" ".join(line) + " .\n" for line in lines)
            (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")
    config = folder / "small.yaml"
    config.write_text(CONFIG.format(root=folder), encoding="utf-8")
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a corpus of this test's own."""
    (tmp_path / "corpus").mkdir()
    return write_corpus(tmp_path / "corpus")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a trained run, whose tests leave it as it is."""
    folder = tmp_path_factory.mktemp("trained")
    path = write_corpus(folder)
    arguments = ["train", str(path), "--run", str(folder / "run"), "--device", "cpu"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    before = {path: path.read_bytes() for path in sorted((folder / "run").glob("**/*")) if path.is_file()}
    yield folder / "run"
    assert before == {path: path.read_bytes() for path in before}
