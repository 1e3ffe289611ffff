"""Rules between the sections of a configuration."""

from __future__ import annotations

import pytest
from tiny import configured

from attncli.errors import ConfigError

NONE = "model.attention=none"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["model.attention={score: dot}"],
            "model.attention.score: 'dot' needs query and memory of one width, but model.decoder.hidden_size is 8 and "
            "model.encoder.hidden_size is 10; make them equal or choose 'general'",
        ),
        (
            ["model.attention={score: scaled_dot}", "model.encoder.hidden_size=12"],
            "model.attention.score: 'scaled_dot' needs query and memory of one width, but model.decoder.hidden_size is "
            "8 and model.encoder.hidden_size is 12; make them equal or choose 'general'",
        ),
        (
            ["model.decoder.context=every_step"],
            "model.decoder.context: 'every_step' belongs to model.attention: none, but an attention is set; remove one "
            "of them",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.query=previous_state"],
            "model.decoder.input_feeding: needs model.decoder.query 'current_state', but it is 'previous_state'; there "
            "the context enters every step already",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.readout=maxout"],
            "model.decoder.input_feeding: feeds the attentional vector back, but model.decoder.readout is 'maxout'; "
            "remove one of them",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.readout=state"],
            "model.decoder.input_feeding: feeds the attentional vector back, but model.decoder.readout is 'state'; "
            "remove one of them",
        ),
        (
            ["model.decoder.readout=state"],
            "model.decoder.readout: 'state' sees no context, so with model.decoder.query 'current_state' nothing would "
            "read the attention; choose 'attentional' or 'maxout', or model.attention: none",
        ),
        (
            [NONE, "model.decoder.input_feeding=true"],
            "model.decoder.input_feeding: there is nothing to feed back with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.gate=true"],
            "model.decoder.gate: there is no context to let in with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.doubly_stochastic=1.0"],
            "model.decoder.doubly_stochastic: there are no weights with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.readout=attentional"],
            "model.decoder.readout: 'attentional' joins state and attention's context, but model.attention is none; "
            "choose 'state' or 'maxout'",
        ),
        (
            [NONE, "model.decoder.bridge=mean"],
            "model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is all "
            "that the decoder sees, but bridge is 'mean'; choose 'final' or context 'every_step'",
        ),
        (
            [NONE, "model.decoder.bridge=zero"],
            "model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is all "
            "that the decoder sees, but bridge is 'zero'; choose 'final' or context 'every_step'",
        ),
        (
            ["model.tied_embeddings=all", "tokenizer.shared=false"],
            "model.tied_embeddings: 'all' needs one vocabulary for both sides, but tokenizer.shared is false; choose "
            "'target' or share the vocabulary",
        ),
    ],
)
def test_a_conflict_names_both_keys_and_a_way_out(overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(*overrides)
    assert str(caught.value) == f"tiny.yaml: {problem}"


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.attention={score: dot}", "model.encoder.hidden_size=8"],
        ["model.decoder.input_feeding=true", "model.decoder.readout=attentional"],
        ["model.decoder.readout=state", "model.decoder.query=previous_state"],
        [NONE, "model.decoder.context=every_step", "model.decoder.bridge=zero"],
        [NONE, "model.decoder.readout=maxout"],
        ["model.tied_embeddings=all"],
        ["model.tied_embeddings=target", "tokenizer.shared=false"],
    ],
)
def test_what_goes_together_is_read(overrides: list[str]) -> None:
    configured(*overrides)


def test_all_conflicts_are_told_together() -> None:
    overrides = ["model.attention={score: dot}", "model.decoder.context=every_step", "model.tied_embeddings=all"]
    with pytest.raises(ConfigError) as caught:
        configured(*overrides, "tokenizer.shared=false")
    keys = [problem.split(": ")[1] for problem in caught.value.problems]
    assert keys == ["model.attention.score", "model.decoder.context", "model.tied_embeddings"]
