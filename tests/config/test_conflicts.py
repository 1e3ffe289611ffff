"""Rules between the sections of a configuration."""

from __future__ import annotations

import pytest
from tiny import configured

from attncli.errors import ConfigError

NONE = "model.attention=none"
SCALED_DOT = "model.attention={score: scaled_dot}"
TRANSFORMER = "model.decoder={kind: transformer, hidden_size: 6, heads: 2"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["model.attention={score: dot}"],
            "model.attention.score: 'dot' needs query and memory of equal width, but model.decoder.hidden_size is 8 "
            "and "
            "model.encoder.hidden_size is 10; make them equal or choose 'general'",
        ),
        (
            ["model.attention={score: scaled_dot, projections: none}", "model.encoder.hidden_size=12"],
            "model.attention.score: 'scaled_dot' needs query and memory of equal width, but model.decoder.hidden_size "
            "is "
            "8 and model.encoder.hidden_size is 12; make them equal or choose projections: learned",
        ),
        (
            ["model.decoder.bridge=copy"],
            "model.decoder.bridge: 'copy' takes the encoder's final state as it is, but model.decoder.hidden_size is 8 "
            "and model.encoder.hidden_size is 10; make them equal or choose 'final'",
        ),
        (
            ["model.decoder.query=previous_state", "model.decoder.readout_activation=none"],
            "model.decoder.readout_activation: belongs to the readouts 'attentional' and 'deep', but the readout is "
            "'maxout'; remove it",
        ),
        (
            [NONE, "model.decoder.readout_activation=tanh"],
            "model.decoder.readout_activation: belongs to the readouts 'attentional' and 'deep', but the readout is "
            "'state'; remove it",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.query=previous_state"],
            "model.decoder.input_feeding: needs model.decoder.query 'current_state', but it is 'previous_state'; there "
            "the context already enters every step",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.readout=maxout"],
            "model.decoder.input_feeding: feeds back the attentional vector, but model.decoder.readout is 'maxout'; "
            "remove one of them",
        ),
        (
            ["model.decoder.input_feeding=true", "model.decoder.readout=state"],
            "model.decoder.input_feeding: feeds back the attentional vector, but model.decoder.readout is 'state'; "
            "remove one of them",
        ),
        (
            ["model.decoder.readout=state"],
            "model.decoder.readout: 'state' does not read the context, and with model.decoder.query 'current_state' "
            "nothing else does; choose 'attentional' or 'maxout', or model.attention: none",
        ),
        (
            [NONE, "model.decoder.query=previous_state"],
            "model.decoder.query: is 'previous_state', but with model.attention: none there is nothing to query; "
            "remove it",
        ),
        (
            [NONE, "model.decoder.input_feeding=true"],
            "model.decoder.input_feeding: there is nothing to feed back with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.gate=true"],
            "model.decoder.gate: there is no context to scale with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.doubly_stochastic=1.0"],
            "model.decoder.doubly_stochastic: there are no weights with model.attention: none; remove it",
        ),
        (
            [NONE, "model.decoder.readout=attentional"],
            "model.decoder.readout: 'attentional' combines the state with the context, but model.attention is none; "
            "choose 'state' or 'maxout'",
        ),
        (
            [NONE, "model.decoder.bridge=mean"],
            "model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is all "
            "that the decoder sees of the source, but bridge is 'mean'; choose 'final' or context 'every_step'",
        ),
        (
            [NONE, "model.decoder.bridge=zero"],
            "model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is all "
            "that the decoder sees of the source, but bridge is 'zero'; choose 'final' or context 'every_step'",
        ),
        (
            ["model.encoder={kind: transformer, hidden_size: 12, heads: 4}"],
            "model.encoder.hidden_size: is 12, but model.embedding_size is 6; the states of a transformer are added to "
            "its embeddings, so make them equal",
        ),
        (
            [f"{TRANSFORMER}}}", NONE],
            "model.attention: is none, but attention is all that a transformer decoder sees of the source; set {score: "
            "scaled_dot}, or choose model.decoder.kind recurrent or lstmn",
        ),
        (
            [f"{TRANSFORMER}}}"],
            "model.attention: the attention of a transformer decoder is scaled_dot over the whole source in every "
            "head, but score: additive, size: 7 is set; set {score: scaled_dot}",
        ),
        (
            [f"{TRANSFORMER}, positions: learned, maximum_length: 8}}", SCALED_DOT],
            "model.decoder.maximum_length: is 8, but search.max_length is 9, and every token of the output needs a "
            "learned position; lower search.max_length, raise model.decoder.maximum_length, or set "
            "model.decoder.positions: sinusoidal",
        ),
        (
            ["model.tied_embeddings=all", "tokenizer.shared=false"],
            "model.tied_embeddings: 'all' needs a shared vocabulary, but tokenizer.shared is false; choose "
            "'target' or share the vocabulary",
        ),
        (
            ["model.attention={half_width: 3}"],
            "model.attention: half_width belongs to window: local_m or local_p, but window is global; remove it",
        ),
        (
            [
                "model.attention={score: location, maximum_source_length: 9, longer_sources: ignore, window: local_m}",
            ],
            "model.attention: longer_sources: ignore gives no weight beyond maximum_source_length, where all of a "
            "window: local_m may lie; choose window: global, or longer_sources: error with a higher "
            "maximum_source_length",
        ),
        (
            ["model.attention={estimator: reinforce}"],
            "model.attention: estimator belongs to selection: hard, but selection is soft; remove it",
        ),
        (
            ["model.attention={inference: argmax}"],
            "model.attention: inference belongs to selection: hard, but selection is soft; remove it",
        ),
        (
            ["model.attention={selection: hard, sampling_seed: 3}"],
            "model.attention: sampling_seed belongs to inference: sample, but inference is argmax; remove it",
        ),
        (
            ["model.attention={selection: hard, estimator: {kind: straight_through, lowest_temperature: 2.0}}"],
            "model.attention.estimator: lowest_temperature 2 is above the temperature at the start, 1; lower it",
        ),
        (
            ["model.attention={window: local-p}"],
            "model.attention.window: unknown value 'local-p'; did you mean 'local_p'? choose from global, local_m, "
            "local_p",
        ),
        (
            ["model.attention={selection: hard, estimator: reinforced}"],
            "model.attention.estimator: unknown value 'reinforced'; did you mean 'reinforce'? choose from reinforce, "
            "straight_through",
        ),
        (
            ["model.attention={selection: hard, estimator: {kind: gumbel}}"],
            "model.attention.estimator.kind: unknown value 'gumbel'; choose from reinforce, straight_through",
        ),
        (
            ["model.attention={selection: hard, estimator: {temperature: 2}}"],
            "model.attention.estimator: needs a 'kind'; choose from reinforce, straight_through",
        ),
        (
            ["model.attention={selection: hard, estimator: {kind: reinforce, temperature: 2}}"],
            "model.attention.estimator.temperature: unknown key 'temperature'; choose from entropy_weight, "
            "expectation_rate, kind, reward, reward_weight",
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
        ["model.attention={window: local_p, half_width: 3, selection: hard, estimator: straight_through}"],
        ["model.attention={selection: hard, estimator: {kind: reinforce, reward_weight: 1}}"],
        ["model.attention={selection: hard, inference: sample, sampling_seed: 0}"],
        [NONE, "model.decoder.readout=maxout"],  # of state and embedding
        [NONE, "model.decoder.readout=deep"],
        [f"{TRANSFORMER}}}", SCALED_DOT],  # its queries and keys are projected, so the memory may have another width
        [f"{TRANSFORMER}, positions: learned, maximum_length: 9}}", SCALED_DOT],
        ["model.encoder={kind: lstmn}", "model.decoder={kind: lstmn, query: previous_state}"],
        ["model.tied_embeddings=all"],
        ["model.tied_embeddings=target", "tokenizer.shared=false"],
    ],
)
def test_what_goes_together_is_read(overrides: list[str]) -> None:
    configured(*overrides)


def test_all_conflicts_are_told_together() -> None:
    overrides = ["model.attention={score: dot}", "model.decoder.readout=state", "model.tied_embeddings=all"]
    with pytest.raises(ConfigError) as caught:
        configured(*overrides, "tokenizer.shared=false")
    keys = [problem.split(": ")[1] for problem in caught.value.problems]
    assert keys == ["model.attention.score", "model.decoder.readout", "model.tied_embeddings"]
