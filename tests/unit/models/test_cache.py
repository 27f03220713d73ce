from __future__ import annotations

import copy

import pytest
import torch
import transformers
from transformers.cache_utils import Cache

import neuronbuild
from neuronbuild.errors import InputError, NeuronBuildError, ShapeError
from neuronbuild.models import MODEL_CLASSES
from tests.tools.exported import open_exported
from tests.tools.tiny import tiny_answerer, tiny_decoder
from tests.unit.models.test_causal_lm import prompts
from tests.unit.models.test_seq2seq import text

T5 = "text2text-generation"


@pytest.fixture(scope="module")
def model(built):
    return neuronbuild.NeuronModelForCausalLM.from_pretrained(built.releases["text-generation"])


@pytest.fixture(scope="module")
def eager(models):
    return transformers.AutoModelForCausalLM.from_pretrained(models["text-generation"]).eval()


@pytest.fixture(scope="module")
def t5(built):
    return neuronbuild.NeuronModelForSeq2SeqLM.from_pretrained(built.releases[T5])


@pytest.fixture(scope="module")
def eager_t5(models):
    return transformers.AutoModelForSeq2SeqLM.from_pretrained(models[T5]).eval()


CHANGES = {
    "two taken back": lambda cache: cache.crop(-2),
    "none taken back": lambda cache: cache.crop(0),
    "put in another order": lambda cache: cache.reorder_cache(torch.tensor([1, 0])),
    "one twice": lambda cache: cache.reorder_cache(torch.tensor([1, 1])),
    "one left out": lambda cache: cache.batch_select_indices(torch.tensor([1])),
    "each twice": lambda cache: cache.batch_repeat_interleave(2),
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_changed_of_a_cache_goes_on_as_in_transformers(model, eager, change):
    scores = []
    for each in (model, eager):
        cache = each(**{**prompts(2, 9), "attention_mask": None}, use_cache=True).past_key_values
        change(cache)
        rows = cache.batch_size if each is model else len(cache.layers[0].keys)
        scores.append(each(prompts(rows, 3, seed=2)["input_ids"], past_key_values=cache).logits)
    assert torch.allclose(*scores, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_changed_of_a_decoders_cache_goes_on_with_its_own_input(t5, eager_t5, change):
    scores = []
    inputs, read = text(2, 9, short=6), torch.tensor([[0, 7, 8, 9], [0, 17, 18, 19]])
    for each in (t5, eager_t5):
        cache = each(**inputs, decoder_input_ids=read, use_cache=True).past_key_values
        change(cache)
        rows = cache.batch_size if each is t5 else len(cache.self_attention_cache.layers[0].keys)
        encoded, ids = each.get_encoder()(torch.full((rows, 9), 7)), torch.full((rows, 2), 33)
        scores.append(each(encoder_outputs=encoded, decoder_input_ids=ids, past_key_values=cache).logits)
    assert torch.allclose(*scores, atol=1e-4)


@torch.no_grad()
def test_a_copy_goes_its_own_way(model, eager):
    scores = []
    for each in (model, eager):
        cache = each(**prompts(2, 9), use_cache=True).past_key_values
        other = copy.deepcopy(cache)
        each(prompts(2, 2, seed=1)["input_ids"], past_key_values=cache)
        assert (other.get_seq_length(), cache.get_seq_length()) == (9, 11)
        scores.append(each(prompts(2, 2, seed=2)["input_ids"], past_key_values=other).logits)
    assert torch.allclose(*scores, atol=1e-4)


WRONG = {
    "more than was read is taken back": lambda cache: cache.crop(-10),
    "a length to crop to": lambda cache: cache.crop(4),
    "a sequence that there isn't": lambda cache: cache.reorder_cache(torch.tensor([0, 2])),
    "a number below zero": lambda cache: cache.batch_select_indices(torch.tensor([-1])),
    "fewer than there are": lambda cache: cache.reorder_cache(torch.tensor([0])),
    "no integers": lambda cache: cache.reorder_cache(torch.tensor([0.0, 1.0])),
    "a list": lambda cache: cache.reorder_cache([0, 1]),
    "none": lambda cache: cache.batch_select_indices(torch.tensor([], dtype=torch.int64)),
    "more than there is room for": lambda cache: cache.batch_repeat_interleave(3),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_to_a_cache_is_refused(model, t5, change):
    answered = t5(**text(2, 9), decoder_input_ids=text(2, 3)["input_ids"]).past_key_values
    for cache in (model(**prompts(2, 9)).past_key_values, answered):
        with pytest.raises(NeuronBuildError):
            change(cache)
        assert cache.batch_size == 2


def test_whatever_else_transformers_does_with_caches_is_refused_by_name(model):
    cache = model(**prompts(2, 9)).past_key_values
    names = [name for name in dir(Cache) if not name.startswith("_") and not hasattr(type(cache), name)]
    assert {"update", "reset", "early_initialization"} <= set(names)
    for name in (*names, "layers", "self_attention_cache"):
        with pytest.raises(InputError, match=name):
            getattr(cache, name)
        assert not hasattr(cache, name)


def test_a_cache_that_is_not_this_models_is_refused_before_anything_is_computed(model, t5, built, monkeypatch):
    other = neuronbuild.NeuronModelForCausalLM.from_pretrained(built.releases["text-generation"])
    answered = t5(**text(2, 4), decoder_input_ids=text(2, 3)["input_ids"]).past_key_values
    foreign = [other(**prompts(2, 4)).past_key_values, transformers.DynamicCache(), answered, ((1,),)]
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    for cache in foreign:
        with pytest.raises(InputError, match="not of this model"):
            model(**prompts(2, 4), past_key_values=cache)
        with pytest.raises(InputError, match="not of this model"):
            model.generate(**prompts(2, 4), past_key_values=cache, max_new_tokens=2)


def test_no_call_reads_past_the_end_of_a_cache(model, t5):
    cache = model(**prompts(2, 46)).past_key_values
    for asked in (lambda: model(prompts(2, 3)["input_ids"], past_key_values=cache), lambda: cache.reserve(49)):
        with pytest.raises(ShapeError, match="49"):
            asked()
    model(prompts(2, 2)["input_ids"], past_key_values=cache)
    answers = t5(**text(2, 9), decoder_input_ids=text(2, 23)["input_ids"]).past_key_values
    with pytest.raises(ShapeError, match="25"):
        t5(**text(2, 9), decoder_input_ids=torch.ones((2, 2), dtype=torch.int64), past_key_values=answers)
    assert answers.get_seq_length() == 23


def test_a_cache_handed_back_to_generate_must_have_room_for_all_that_is_asked(model, t5, monkeypatch):
    made = model.generate(**prompts(2, 30), max_new_tokens=9, min_new_tokens=9, do_sample=False, return_dict_in_generate=True)
    answered = t5.generate(**text(2, 9), max_new_tokens=20, min_new_tokens=20, return_dict_in_generate=True)
    monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    with pytest.raises(ShapeError, match="2 sequences of 5"):
        model.generate(made.sequences, past_key_values=made.past_key_values, max_new_tokens=15)
    with pytest.raises(ShapeError, match="2 sequences of 5"):
        model.generate(
            prompts(2, 2)["input_ids"],
            attention_mask=torch.ones(2, 40),
            past_key_values=made.past_key_values,
            max_new_tokens=15,
        )
    with pytest.raises(InputError, match="hold 38 tokens a sequence, as many as were given or more"):
        model.generate(**prompts(2, 30), past_key_values=made.past_key_values, max_new_tokens=2)
    with pytest.raises(InputError, match="use_cache=False"):
        model.generate(made.sequences, past_key_values=made.past_key_values, max_new_tokens=2, use_cache=False)
    with pytest.raises(InputError, match="4 sequences were given to a cache of 2"):
        model.generate(made.sequences, past_key_values=made.past_key_values, max_new_tokens=2, num_beams=2)
    monkeypatch.undo()
    with pytest.raises(ShapeError, match="2 sequences of"):
        t5.generate(**text(2, 9), past_key_values=answered.past_key_values, max_new_tokens=9)


def growing(task: str, folder):
    """Ours over graphs of two lengths, and the eager one."""
    eager = tiny_decoder("llama") if task == "text-generation" else tiny_answerer("bart")
    shapes = []
    for length in (16, 32):
        rows = {"batch_size": 2, "sequence_length": length}
        first = {"prefill": {**rows, "prefill_length": 8}} if task == "text-generation" else {}
        shapes += [*first.items(), ("decode" if first else "decoder", {**rows, "num_beams": 1})]
    if task != "text-generation":
        shapes.append(("encoder", {"batch_size": 2, "sequence_length": 16}))
    return open_exported(MODEL_CLASSES[task], eager, task, shapes, folder), eager


@torch.no_grad()
def test_a_cache_grows_into_a_larger_compiled_shape(tmp_path):
    model, eager = growing("text-generation", tmp_path)
    inputs, read = {"input_ids": torch.randint(12, 90, (2, 9))}, {}
    for each in (model, eager):
        cache = each(**inputs, use_cache=True).past_key_values
        first = each.generate(**inputs, max_new_tokens=5, do_sample=False, return_dict_in_generate=True)
        more = each.generate(
            first.sequences, past_key_values=first.past_key_values, max_new_tokens=12, min_new_tokens=12, do_sample=False
        )
        read[each] = (more, each(torch.full((2, 9), 33), past_key_values=cache).logits)
    assert torch.equal(read[model][0], read[eager][0])
    assert torch.allclose(read[model][1], read[eager][1], atol=1e-4)
    assert cache.get_seq_length() == 18


@torch.no_grad()
def test_a_decoders_cache_grows_with_what_it_reads_of_its_input(tmp_path):
    model, eager = growing(T5, tmp_path)
    inputs, ids, scores = text(2, 9, short=5), torch.randint(12, 90, (2, 14)), []
    inputs["input_ids"] %= 90
    for each in (model, eager):
        cache = each(**inputs, decoder_input_ids=ids, use_cache=True).past_key_values
        scores.append(each(**inputs, decoder_input_ids=ids[:, :8], past_key_values=cache).logits)
    assert torch.allclose(*scores, atol=1e-4)
