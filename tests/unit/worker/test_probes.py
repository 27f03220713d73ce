"""Wrong graphs, each made on purpose: the check finds every one, and says where in the inputs it goes wrong."""

from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.worker import graph, graph_classes, noise, probes
from neuronbuild.worker.errors import UserError
from tests.tools.action_keys import CPU
from tests.tools.exported import Exported
from tests.tools.tiny import DECODER, OWN_DECODER, tiny_answerer
from tests.unit.plan.cases import make_action
from tests.unit.worker import actions

LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0], "rope_theta": 10_000.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}


def open_graph(model, task: str, name: str, **sizes) -> graph.Graph:
    """A graph of a model whose weights are large enough to show what goes wrong."""
    document = make_action(config=model.config.to_dict(), task=task, graph=name, sizes=sizes, auto_cast="none", **CPU).document
    noise.shake(model, seed=1)
    return graph_classes.open_graph(model, document)


def decoder_graph(name: str, family: str = "llama", slots: int = 24, batch: int = 2, **config) -> graph.Graph:
    torch.manual_seed(0)
    made = transformers.CONFIG_MAPPING[family](**DECODER | OWN_DECODER.get(family, {}) | config)
    model = transformers.AutoModelForCausalLM.from_config(made, attn_implementation="sdpa").eval()
    sizes = {"batch_size": batch, "num_beams": 1, "prefill_length": 8, "sequence_length": slots}
    return open_graph(model, "text-generation", name, **sizes)


def check(module: graph.Graph, compiled=None) -> dict:
    compiled = compiled or Exported(module, module.example(seed=0)).run
    return probes.check(compiled, module, torch.float32, "random-weights")


def with_inputs(module: graph.Graph, change):
    """The graph, with its inputs changed by name before it sees them."""
    right = Exported(module, module.example(seed=0)).run

    def wrong(tensors: list) -> list:
        given = dict(zip(module.input_names, tensors, strict=False))
        return right([*{**given, **change(given)}.values(), *tensors[len(given) :]])

    return wrong


def with_input(module: graph.Graph, name: str, change):
    """The graph, with one of its inputs changed before it sees it."""
    return with_inputs(module, lambda given: {name: change(given[name])})


def slots_as_positions(given: dict) -> dict:
    """As a graph that takes the position of a token from its slot."""
    ids = given["input_ids"]
    return {"position_ids": (given["cache_start"] + torch.arange(ids.shape[1])).expand(ids.shape)}


@pytest.mark.parametrize("name", ["prefill", "decode"])
@pytest.mark.parametrize(("family", "rotation", "longest"), [("phi3", LONGROPE, 32), ("llama", DYNAMIC, 64)])
def test_rotations_that_change_beyond_a_length_are_right_up_to_it_and_found_wrong_beyond(name, family, rotation, longest):
    config = {"max_position_embeddings": 64, "original_max_position_embeddings": 32} if family == "phi3" else {}
    right, beyond = (
        decoder_graph(name, family, slots, rope_parameters=dict(rotation), **config) for slots in (longest, longest + 20)
    )
    assert max(check(right)["max_abs_error"].values()) < 1e-5
    with pytest.raises(UserError, match=r"differs from eager PyTorch by .* at the last slot"):
        check(beyond)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", ["prefill", "decode"])
@pytest.mark.parametrize(
    ("wrong", "change"),
    [
        ("attention_mask", torch.ones_like),
        ("position_ids", torch.zeros_like),
        ("cache_start", lambda start: (start + 1).clamp(max=10)),
        ("input_ids", lambda ids: (ids + 1) % 101),
    ],
)
def test_an_input_without_its_effect_is_found(name, wrong, change, batch):
    module = decoder_graph(name, batch=batch)
    with pytest.raises(UserError, match="differs from eager PyTorch"):
        check(module, with_input(module, wrong, change))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("name", ["prefill", "decode"])
def test_a_graph_that_takes_positions_from_slots_is_found(name, family, batch):
    module = decoder_graph(name, family, batch=batch)
    with pytest.raises(UserError, match="differs from eager PyTorch"):
        check(module, with_inputs(module, slots_as_positions))


@pytest.mark.parametrize(("window", "slots"), [(5, 24), (16, 48), (44, 48)])
@pytest.mark.parametrize("name", ["prefill", "decode"])
def test_a_window_that_is_left_out_is_found_wherever_it_ends(name, window, slots):
    sizes = {"slots": slots, "batch": 1, "max_position_embeddings": slots}
    module, whole = (decoder_graph(name, "mistral", sliding_window=each, **sizes) for each in (window, None))
    assert max(check(module)["max_abs_error"].values()) < 1e-5
    with pytest.raises(UserError, match="output logits differs from eager PyTorch"):
        check(module, Exported(whole, whole.example(seed=0)).run)


def test_a_graph_that_is_wrong_from_one_position_on_is_found():
    module = decoder_graph("decode")
    late = with_input(module, "position_ids", lambda positions: positions.clamp(max=20))
    with pytest.raises(UserError, match="at the last slot"):
        check(module, late)


def test_a_prompt_whose_second_chunk_forgets_the_first_is_found():
    module = decoder_graph("prefill")
    right = Exported(module, module.example(seed=0)).run

    def forgetting(tensors: list) -> list:
        for state in tensors[len(module.input_names) :]:
            state.zero_()
        return right(tensors)

    with pytest.raises(UserError, match="in a prompt of several chunks"):
        check(module, forgetting)


def answer_graph(family: str = "bart", batch: int = 2, **config) -> graph.Graph:
    model, sizes = tiny_answerer(family, **config), {"batch_size": batch, "num_beams": 1, "sequence_length": 24}
    return open_graph(model, "text2text-generation", "decoder", **sizes)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "change"), [("attention_mask", torch.ones_like), ("cache_start", lambda start: start.clamp(max=20))]
)
def test_an_answers_input_without_its_effect_is_found(wrong, change, batch):
    module = answer_graph(batch=batch)
    with pytest.raises(UserError, match="differs from eager PyTorch"):
        check(module, with_input(module, wrong, change))


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_answers_are_to_inputs_without_padding_and_padded_on_either_side(batch):
    module = answer_graph(batch=batch)
    with torch.no_grad():
        masks = torch.cat([probe.calls[0][1] for probe in module.probes(seed=0)])
    assert set(map(tuple, masks.tolist())) == {(1,) * 24, (1,) * 16 + (0,) * 8, (0,) * 8 + (1,) * 16}


@pytest.mark.parametrize(("reads", "writes"), [(60, 100), (100, 60)])
def test_answers_hold_ids_of_the_decoders_own_table(reads, writes):
    module = answer_graph("marian", vocab_size=reads, decoder_vocab_size=writes, share_encoder_decoder_embeddings=False)
    with torch.no_grad():
        ids = torch.cat([probe.calls[0][0] for seed in range(9) for probe in module.probes(seed)])
    assert writes - 20 < ids.max() < writes
    assert module.example(seed=0)[0].max() < writes


def encoder_graph(task: str, **config) -> graph.Graph:
    action = actions.make_action(task)
    action["model"]["config"].update(config)
    return graph.Graph(graph.make_model(action, torch.float32), action)


@pytest.mark.parametrize(("wrong", "change"), [("attention_mask", torch.ones_like), ("token_type_ids", torch.zeros_like)])
def test_a_text_encoders_input_without_its_effect_is_found(wrong, change):
    module = encoder_graph("text-classification")
    assert check(module)["max_abs_error"]["logits"] < 1e-5
    with pytest.raises(UserError, match="over padded rows"):
        check(module, with_input(module, wrong, change))


@pytest.mark.parametrize(("mode", "wrong"), [("cls", 0), ("lasttoken", -1)])
def test_a_sentence_that_is_pooled_from_padding_is_found(mode, wrong):
    action = actions.make_action("feature-extraction")
    steps = [{"kind": "Pooling", "modes": [mode]}]
    action["model"].update(outputs=["token_embeddings", "sentence_embedding"], sentence_modules=steps)
    module = graph_classes.open_graph(graph.make_model(action, torch.float32), action)
    right = Exported(module, module.example(seed=0)).run

    def padding(tensors: list) -> list:
        tokens, _ = right(tensors)
        return [tokens, tokens[:, wrong]]

    assert check(module, right)["max_abs_error"]["sentence_embedding"] < 1e-5
    with pytest.raises(UserError, match="output sentence_embedding differs from eager PyTorch"):
        check(module, padding)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_rows_are_tried_without_padding_and_padded_on_either_side(batch):
    action = actions.make_action("text-classification", batch=batch, length=9)
    module = graph.Graph(graph.make_model(action, torch.float32), action)
    masks = torch.cat([probe.calls[0][1] for probe in module.probes(seed=0)])
    assert set(map(tuple, masks.tolist())) == {(1,) * 9, (1,) * 6 + (0,) * 3, (0,) * 3 + (1,) * 6}


def test_the_reference_is_computed_in_full_precision_and_without_casts():
    action = actions.make_action(auto_cast="matmul", auto_cast_type="bf16")
    module = graph.Graph(graph.make_model(action, torch.float32), action)
    [probe, *_] = module.probes(seed=0)
    [(name, index, expected)] = probe.expected
    with torch.no_grad():
        cast = module(*probe.calls[0])[0]
        module.cast = None
        exact = module(*probe.calls[0])[0]
    assert (name, index) == ("logits", ())
    assert not torch.equal(cast, exact)
    assert torch.equal(exact, expected)
