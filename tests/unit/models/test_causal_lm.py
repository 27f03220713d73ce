from __future__ import annotations

import copy
import threading

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild.errors import InputError, ShapeError, UsageError
from tests.conftest import SHAPES
from tests.flows.checkpoints import copy_model
from tests.tools.exported import open_exported
from tests.tools.tiny import tiny_decoder
from tests.unit.models.strange import STRANGE

SLOTS = 48


@pytest.fixture(scope="module")
def model(built):
    return neuronbuild.NeuronModelForCausalLM.from_pretrained(built.releases["text-generation"])


@pytest.fixture(scope="module")
def eager(models):
    return transformers.AutoModelForCausalLM.from_pretrained(models["text-generation"]).eval()


def prompts(rows: int, length: int, *, left: int = 0, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tokens, of which the last row's first `left` are padding."""
    generator = torch.Generator().manual_seed(seed)
    ids, mask = torch.randint(5, 120, (rows, length), generator=generator), torch.ones((rows, length), dtype=torch.int64)
    if left:
        ids[-1, :left], mask[-1, :left] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def both(model, eager, inputs, **how):
    """What both generate, from the same seed."""
    made = []
    for each in (model, eager):
        torch.manual_seed(1)
        made.append(each.generate(**inputs, **how))
    return made


@pytest.mark.parametrize(
    "how",
    [
        {"do_sample": False},
        {"num_beams": 2},
        {"num_beams": 2, "num_return_sequences": 2, "length_penalty": 0.5, "early_stopping": True},
        {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.9},
        {"do_sample": True, "min_p": 0.01, "num_return_sequences": 2},
        {"do_sample": False, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"do_sample": False, "min_new_tokens": 12, "eos_token_id": list(range(5, 60))},
        {"num_beams": 2, "do_sample": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("left", [0, 5])
def test_tokens_are_those_that_eager_transformers_gives(model, eager, how, left):
    got, expected = both(model, eager, prompts(2, 11, left=left), **{"max_new_tokens": 20, **how})
    assert torch.equal(got, expected)


def test_lengths_are_counted_as_in_transformers(model, eager):
    got, expected = both(model, eager, prompts(1, 6), min_length=12, max_length=20, do_sample=False)
    assert torch.equal(got, expected)
    assert 12 <= got.shape[1] <= 20


def test_scores_are_those_of_eager_transformers(model, eager):
    got, expected = both(
        model,
        eager,
        prompts(2, 9, left=2),
        max_new_tokens=6,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    assert torch.equal(got.sequences, expected.sequences)
    for mine, theirs in zip((*got.scores, *got.logits), (*expected.scores, *expected.logits), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_the_scores_of_beams_are_those_of_eager_transformers(model, eager):
    how = {"max_new_tokens": 8, "num_beams": 2, "num_return_sequences": 2}
    got, expected = both(model, eager, prompts(2, 9), return_dict_in_generate=True, output_scores=True, **how)
    assert torch.equal(got.sequences, expected.sequences)
    assert torch.equal(got.beam_indices, expected.beam_indices)
    assert torch.allclose(got.sequences_scores, expected.sequences_scores, atol=1e-4)


def test_padding_after_tokens_is_read_as_transformers_reads_it(model, eager):
    left = prompts(2, 9, left=4)
    right = {name: torch.stack([row[0], row[1].roll(-4)]) for name, row in left.items()}
    got, expected = both(model, eager, right, max_new_tokens=8, do_sample=False)
    assert torch.equal(got, expected)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 31, 33, 40, 41, 47])
def test_a_prompt_of_any_length_is_read_in_chunks(model, eager, length):
    got, expected = both(model, eager, prompts(1, length), max_new_tokens=1, do_sample=False)
    assert torch.equal(got, expected)


def test_the_whole_cache_can_be_filled(model, eager):
    got, expected = both(model, eager, prompts(1, 20), max_new_tokens=SLOTS - 20, min_new_tokens=SLOTS - 20, do_sample=False)
    assert got.shape == (1, SLOTS)
    assert torch.equal(got, expected)


def test_without_a_cache_tokens_are_those_of_eager_transformers_up_to_the_last_slot(model, eager):
    how = {"max_new_tokens": SLOTS - 40, "min_new_tokens": SLOTS - 40, "do_sample": False, "use_cache": False}
    got, expected = both(model, eager, prompts(1, 40), **how)
    assert got.shape == (1, SLOTS)
    assert torch.equal(got, expected)


def test_without_a_cache_more_tokens_than_there_are_slots_are_refused_before_anything_is_computed(model, monkeypatch):
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    for length, new in ((20, SLOTS - 19), (SLOTS, 1)):
        with pytest.raises(ShapeError, match=f"1 sequence of {SLOTS + 1} tokens"):
            model.generate(**prompts(1, length), max_new_tokens=new, use_cache=False)


def test_more_tokens_than_the_cache_has_room_for_are_refused_before_anything_is_computed(model, monkeypatch):
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    with pytest.raises(ShapeError, match=f"1 sequence of {SLOTS + 1} tokens"):
        model.generate(**prompts(1, 20), max_new_tokens=SLOTS - 19)
    with pytest.raises(ShapeError, match="6 sequences"):
        model.generate(**prompts(2, 4), max_new_tokens=4, num_beams=3)
    with pytest.raises(ShapeError, match="5 sequences"):
        model.generate(**prompts(5, 4), max_new_tokens=4, do_sample=False)


def test_an_argument_that_is_unknown_is_refused(model):
    with pytest.raises(UsageError, match="unknown argument 'max_new_tokns'; did you mean 'max_new_tokens'"):
        model.generate(**prompts(1, 4), max_new_tokns=4)


@pytest.mark.parametrize("ids", STRANGE.values(), ids=STRANGE)
def test_ids_of_the_wrong_kind_are_refused_before_anything_is_computed(model, monkeypatch, ids):
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    for asked in (lambda: model.generate(ids), lambda: model.generate(input_ids=ids), lambda: model(ids)):
        with pytest.raises(InputError, match=r"integers of shape|outside 0 to 119"):
            asked()


WRONG = {
    "a mask that is shorter": {"attention_mask": torch.ones(2, 3)},
    "a mask that is longer": {"attention_mask": torch.ones(2, 5)},
    "a mask of fewer rows": {"attention_mask": torch.ones(1, 4)},
    "a mask of four dimensions": {"attention_mask": torch.ones(2, 1, 4, 4)},
    "a mask that is a list": {"attention_mask": [[1] * 4] * 2},
    "positions that are more": {"position_ids": torch.arange(5)[None]},
    "positions of more rows": {"position_ids": torch.arange(4).expand(3, -1)},
    "positions below zero": {"position_ids": torch.arange(4)[None] - 1},
    "positions past the table": {"position_ids": torch.arange(4)[None] + 63},
    "positions that are no integers": {"position_ids": torch.arange(4.0)[None]},
    "scores of no number of tokens": {"logits_to_keep": torch.tensor([1])},
    "a tuple back": {"return_dict": False},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_inputs_that_do_not_fit_each_other_are_refused_before_anything_is_computed(model, monkeypatch, wrong):
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    with pytest.raises(InputError):
        model(**{**prompts(2, 4), **wrong})


@pytest.mark.parametrize("name", ["output_attentions", "output_hidden_states", "labels", "inputs_embeds", "cache_position"])
def test_what_no_graph_takes_is_refused_by_name(model, name):
    with pytest.raises(UsageError, match=name):
        model(
            **prompts(2, 4), **{name: torch.ones(2, 4) if name not in {"output_attentions", "output_hidden_states"} else True}
        )


@torch.no_grad()
def test_positions_may_begin_anywhere(model, eager):
    inputs = {**prompts(2, 7), "position_ids": torch.arange(7)[None] * 2 + 3}
    assert torch.allclose(model(**inputs).logits, eager(**inputs).logits, atol=1e-4)


@torch.no_grad()
def test_a_cache_is_given_back_where_the_call_or_the_config_asks_for_it(model, eager, monkeypatch):
    for how in ({}, {"use_cache": False}, {"use_cache": True}):
        for says in (True, False):
            for each in (model, eager):
                monkeypatch.setattr(each.config, "use_cache", says)
            got, expected = model(**prompts(1, 4), **how), eager(**prompts(1, 4), **how)
            assert (got.past_key_values is None) == (expected.past_key_values is None)


def test_generation_ends_at_strings(model, eager):
    plain = model.generate(**prompts(1, 6), max_new_tokens=12, min_new_tokens=12, do_sample=False)
    word = model.tokenizer.decode(plain[0, 9])
    how = {"max_new_tokens": 12, "do_sample": False, "stop_strings": [word], "tokenizer": model.tokenizer}
    got, expected = both(model, eager, prompts(1, 6), **how)
    assert torch.equal(got, expected)
    assert got.shape[1] <= 10


def test_scores_of_transitions_are_those_of_eager_transformers(model, eager):
    how = {"max_new_tokens": 5, "num_beams": 2, "return_dict_in_generate": True, "output_scores": True}
    scores = [
        each.compute_transition_scores(made.sequences, made.scores, made.beam_indices)
        for each, made in zip((model, eager), both(model, eager, prompts(2, 6), **how), strict=True)
    ]
    assert torch.allclose(*scores, atol=1e-4)


def test_call_arguments_win_over_the_generation_config(model):
    config = transformers.GenerationConfig(max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert model.generate(**prompts(1, 4), generation_config=config).shape == (1, 7)
    assert model.generate(**prompts(1, 4), generation_config=config, max_new_tokens=5, min_new_tokens=5).shape == (1, 9)


@pytest.fixture
def spoken(built, models, tmp_path):
    """A release of a model whose own `generation_config.json` says much, compiled before."""
    folder = copy_model(models["text-generation"], tmp_path / "model")
    transformers.GenerationConfig(
        max_new_tokens=9, num_beams=2, repetition_penalty=1.4, eos_token_id=[3, 17], pad_token_id=0
    ).save_pretrained(folder)
    shapes = {**SHAPES["text-generation"], "cache": str(built.cache), "output": tmp_path / "releases"}
    return folder, neuronbuild.NeuronModelForCausalLM.from_pretrained(folder, export=True, **shapes)


def test_a_release_generates_as_its_models_own_config_says(spoken):
    folder, model = spoken
    eager = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    config = model.generation_config
    assert (config.max_new_tokens, config.num_beams, config.eos_token_id) == (9, 2, [3, 17])
    assert torch.equal(*both(model, eager, prompts(2, 6, left=2)))
    calls = {"num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 12, "min_new_tokens": 12}
    got, expected = both(model, eager, prompts(2, 6), **calls)
    assert got.shape == (2, 18)
    assert torch.equal(got, expected)


def test_generation_ends_at_any_of_several_tokens(model, eager):
    first = model.generate(**prompts(1, 6), max_new_tokens=6, min_new_tokens=6, do_sample=False)[0, 6:].tolist()
    got, expected = both(model, eager, prompts(1, 6), max_new_tokens=20, do_sample=False, eos_token_id=[119, first[2]])
    assert torch.equal(got, expected)
    assert got[0, -1] == first[2]
    assert got.shape[1] == 7 + first.index(first[2])


def test_own_processors_of_scores_and_own_reasons_to_stop_are_asked(model, eager):
    class Only(transformers.LogitsProcessor):
        """Odd tokens alone."""

        def __call__(self, input_ids, scores):
            return scores.masked_fill(torch.arange(scores.shape[1]) % 2 == 0, -torch.inf)

    class Enough(transformers.StoppingCriteria):
        """Nine tokens, prompt and all."""

        def __call__(self, input_ids, scores, **_):
            return torch.full((len(input_ids),), input_ids.shape[1] >= 9)

    own = {"logits_processor": [Only()], "stopping_criteria": transformers.StoppingCriteriaList([Enough()])}
    got, expected = both(model, eager, prompts(2, 4), max_new_tokens=20, min_new_tokens=20, do_sample=False, **own)
    assert torch.equal(got, expected)
    assert got.shape == (2, 9)
    assert (got[:, 4:] % 2 == 1).all()


def test_a_streamer_is_given_each_token(model):
    class Streamer(transformers.generation.streamers.BaseStreamer):
        def __init__(self):
            self.got = []

        def put(self, value):
            self.got.append(value.flatten().tolist())

        def end(self):
            self.got.append("end")

    streamer, inputs = Streamer(), prompts(1, 4)
    made = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False, streamer=streamer)
    assert streamer.got == [made[0, :4].tolist(), *([token] for token in made[0, 4:].tolist()), "end"]


@torch.no_grad()
def test_calling_scores_every_token_as_eager_transformers_does(model, eager):
    inputs = prompts(2, 7, left=3)
    expected, out = eager(**inputs), model(**inputs)
    real = inputs["attention_mask"].bool()
    assert out.logits.shape == expected.logits.shape
    assert torch.allclose(out.logits[real], expected.logits[real], atol=1e-4)
    for keep in (1, 2, 7, 20):
        assert torch.allclose(model(**inputs, logits_to_keep=keep).logits[0], expected.logits[0, -keep:], atol=1e-4)


@torch.no_grad()
def test_a_cache_given_back_goes_on_with_the_mask_that_is_given_then(model, eager):
    inputs, following = prompts(2, 7, left=3), prompts(2, 3, seed=1)["input_ids"]
    caches = [each(**inputs, use_cache=True).past_key_values for each in (model, eager)]
    masks = {"over all": torch.cat([inputs["attention_mask"], torch.ones(2, 3)], 1), "none": None}
    for mask in masks.values():
        got, expected = (
            each(following, attention_mask=mask, past_key_values=copy.deepcopy(cache)).logits
            for each, cache in zip((model, eager), caches, strict=True)
        )
        assert torch.allclose(got, expected, atol=1e-4)


def test_threads_generate_side_by_side(model):
    alone = [model.generate(**prompts(1, 5 + n, seed=n), max_new_tokens=10, do_sample=False) for n in range(4)]
    together = {}

    def run(n):
        together[n] = model.generate(**prompts(1, 5 + n, seed=n), max_new_tokens=10, do_sample=False)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(alone[n], together[n]) for n in range(4))


def test_warming_opens_every_graph(built):
    model = neuronbuild.NeuronModelForCausalLM.from_pretrained(built.releases["text-generation"], warm=True)
    assert len(model.sessions._sessions) == 3


def opened(family: str, folder, **own):
    """A model of ours with room for two sequences of 24 tokens, and the eager one."""
    eager, shapes = tiny_decoder(family, **own), {"batch_size": 2, "sequence_length": 24}
    graphs = [("prefill", {**shapes, "prefill_length": 8}), ("decode", {**shapes, "num_beams": 2})]
    return open_exported(neuronbuild.NeuronModelForCausalLM, eager, "text-generation", graphs, folder), eager


FACTORS = {"short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0], "rope_theta": 10_000.0}
LONGROPE = {"original_max_position_embeddings": 32, "rope_parameters": {"rope_type": "longrope", **FACTORS}}


def test_positions_are_refused_from_where_rotary_embeddings_take_other_frequencies(tmp_path, monkeypatch):
    model, eager = opened("phi3", tmp_path, **LONGROPE)
    ids, last = prompts(1, 7)["input_ids"] % 100, torch.arange(25, 32)[None]
    with torch.no_grad():
        expected = eager(ids, position_ids=last).logits
    assert torch.allclose(model(ids, position_ids=last).logits, expected, atol=1e-4)
    how = {"position_ids": last - 3, "do_sample": False}
    assert torch.equal(*both(model, eager, {"input_ids": ids}, max_new_tokens=4, min_new_tokens=4, **how))
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    refused = r"position_ids reach (32|46); this model is compiled for those from 0 to 31"
    for first in (26, 40):
        with pytest.raises(InputError, match=refused):
            model(ids, position_ids=torch.arange(first, first + 7)[None])
    for asked in ({**how, "max_new_tokens": 5}, {"position_ids": last + 15, "max_new_tokens": 1}):
        with pytest.raises(InputError, match=refused):
            model.generate(ids, **asked)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_mask_of_any_length_given_to_generate_is_read_as_transformers_reads_it_or_refused(family, tmp_path):
    model, eager = opened(family, tmp_path)
    ids, how = prompts(2, 7)["input_ids"] % 100, {"max_new_tokens": 5, "min_new_tokens": 5}
    for length in (3, 6, 7, 8, 10):
        for zeros in range(3):
            mask = torch.ones((2, length), dtype=torch.int64)
            mask[1, :zeros] = 0
            for beams in (1, 2):
                given = {"input_ids": ids, "attention_mask": mask}
                if length == 7 or (length > 7 and not zeros):
                    assert torch.equal(*both(model, eager, given, num_beams=beams, **how)), (length, zeros, beams)
                else:
                    with pytest.raises(InputError, match=r"attention_mask has shape|position_ids must be"):
                        model.generate(**given, num_beams=beams, **how)
