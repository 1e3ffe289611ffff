"""A small set of questions about generated images, and a configuration whose model reads both."""

from __future__ import annotations

from pathlib import Path

from attncli.data.sets.toy_questions import ToyQuestionSizes, make_toy_questions

SECTIONS = """\
task: answering
data:
  root: {root}
  table: questions.tsv
  columns: {{image: image, question: question, target: answer, split: split}}
  folders: {{image: images}}
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test}}}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 60, target: {{kind: label}}}}
model:
  embedding_size: 6
  memory_size: 7
  encoders:
    image: {{kind: cnn, preprocessing: {{size: 32}}, widths: [4, 6]}}
    question: {{kind: recurrent, hidden_size: 10}}
  attention: {{score: additive, size: 5}}
  decoder: {{kind: classifier, hidden_size: 8}}
training:
  {{batch_sentences: 9, max_steps: 12, learning_rate: 0.02, validate_every: 6, checkpoint_every: 5, log_every: 4}}
search: {{beam_size: 2, batch_size: 4}}
evaluation: {{length_bins: [6, 7], bootstrap_samples: 20}}
"""
IN_WORDS = ("tokenizer.target=null", "model.decoder={kind: recurrent, hidden_size: 8}", "search.max_length=4")
"""Overrides for answers as text instead of labels."""


def toy_answers(root: Path, *, train: int, dev: int, test: int) -> Path:
    """Make questions about as many images of each split in `root`; return the file of a configuration."""
    make_toy_questions(root, ToyQuestionSizes(train=train, dev=dev, test=test), seed=2)
    path = root / "small.yaml"
    path.write_text(SECTIONS.format(root=root))
    return path
