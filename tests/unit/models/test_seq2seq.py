from __future__ import annotations

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild.errors import InputError, ShapeError, UsageError
from tests.unit.models.strange import STRANGE
from tests.unit.models.test_causal_lm import both

T5, WHISPER = "text2text-generation", "speech-seq2seq"


@pytest.fixture(scope="module")
def t5(built, models):
    return (
        neuronbuild.NeuronModelForSeq2SeqLM.from_pretrained(built.releases[T5]),
        transformers.AutoModelForSeq2SeqLM.from_pretrained(models[T5]).eval(),
    )


@pytest.fixture(scope="module")
def whisper(built, models):
    return (
        neuronbuild.NeuronModelForSpeechSeq2Seq.from_pretrained(built.releases[WHISPER]),
        transformers.AutoModelForSpeechSeq2Seq.from_pretrained(models[WHISPER]).eval(),
    )


def text(rows: int, length: int, *, short: int = 0) -> dict[str, torch.Tensor]:
    ids, mask = torch.randint(5, 120, (rows, length), generator=torch.Generator().manual_seed(0)), torch.ones(rows, length)
    if short:
        ids[-1, short:], mask[-1, short:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask.long()}


def sound(rows: int) -> dict[str, torch.Tensor]:
    return {"input_features": torch.randn((rows, 8, 40), generator=torch.Generator().manual_seed(0))}


WAYS = [
    {"do_sample": False},
    {"num_beams": 2},
    {"num_beams": 2, "num_return_sequences": 2, "length_penalty": 2.0},
    {"do_sample": True, "temperature": 0.8, "top_k": 20},
    {"do_sample": False, "repetition_penalty": 1.5, "min_new_tokens": 8},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
@pytest.mark.parametrize("short", [0, 6])
def test_text_is_answered_as_by_eager_transformers(t5, how, short):
    got, expected = both(*t5, text(2, 13, short=short), max_new_tokens=15, **how)
    assert torch.equal(got, expected)


@pytest.mark.parametrize("how", [{}, {"num_beams": 2}, {"min_new_tokens": 10}], ids=str)
def test_speech_is_written_down_as_by_eager_transformers(whisper, how):
    got, expected = both(*whisper, sound(2), max_new_tokens=14, **how)
    assert got.shape[1] > 1
    assert torch.equal(got, expected)


def test_scores_are_those_of_eager_transformers(t5):
    how = {"max_new_tokens": 5, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
    got, expected = both(*t5, text(2, 9, short=4), **how)
    assert torch.equal(got.sequences, expected.sequences)
    assert all(torch.allclose(mine, theirs, atol=1e-4) for mine, theirs in zip(got.scores, expected.scores, strict=True))


def test_calling_scores_every_token_of_an_answer(t5):
    model, eager = t5
    given = {**text(2, 9), "decoder_input_ids": text(2, 4)["input_ids"]}
    with torch.no_grad():
        expected = eager(**given)
    out = model(**given)
    assert torch.allclose(out.logits, expected.logits, atol=1e-4)
    assert torch.allclose(out.encoder_last_hidden_state, expected.encoder_last_hidden_state, atol=1e-4)
    with pytest.raises(InputError, match="decoder_input_ids is missing"):
        model(**text(2, 9))


@torch.no_grad()
@pytest.mark.parametrize("masked", [True, False])
def test_what_the_encoder_gave_is_read_with_the_mask_that_is_given_then(t5, masked):
    inputs, scores = text(2, 9, short=5), []
    for each in t5:
        encoded = each.get_encoder()(**inputs)
        mask = {"attention_mask": inputs["attention_mask"]} if masked else {}
        scores.append(each(encoder_outputs=encoded, decoder_input_ids=text(2, 4)["input_ids"], **mask).logits)
    assert torch.allclose(*scores, atol=1e-4)


def test_what_another_encoder_gave_is_refused(t5, whisper):
    foreign = [t5[1].get_encoder()(**text(2, 9)), whisper[0].get_encoder()(**sound(2)), (torch.zeros(2, 9, 32),)]
    ids = text(2, 2)["input_ids"]
    for encoded in foreign:
        with pytest.raises(InputError, match="encoder_outputs"):
            t5[0](encoder_outputs=encoded, decoder_input_ids=ids)
    own = t5[0].get_encoder()(**text(2, 9))
    for wrong in (
        {"decoder_input_ids": text(3, 2)["input_ids"]},
        {"decoder_input_ids": ids, "attention_mask": torch.ones(2, 8)},
    ):
        with pytest.raises(InputError, match=r"3 sequences|attention_mask has shape"):
            t5[0](encoder_outputs=own, **wrong)


@pytest.mark.parametrize("mask", [torch.tensor([[0, 1], [1, 1]]), torch.ones(2, 3)], ids=str)
def test_padding_among_the_decoders_tokens_is_refused(t5, mask):
    given = {**text(2, 9), "decoder_input_ids": text(2, 2)["input_ids"]}
    with pytest.raises(InputError, match="decoder_attention_mask"):
        t5[0](**given, decoder_attention_mask=mask)
    assert t5[0](**given, decoder_attention_mask=torch.ones(2, 2)).logits.shape == (2, 2, 120)


def test_more_inputs_than_the_encoder_is_compiled_for_come_in_groups(t5):
    got, expected = both(*t5, text(3, 13), max_new_tokens=6, do_sample=False)
    assert torch.equal(got, expected)


def test_what_no_shape_has_room_for_is_refused(t5):
    model, _ = t5
    with pytest.raises(ShapeError, match="sequence_length=25"):
        model.generate(**text(1, 25))


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"max_new_tokens": 34}, "2 sequences of 3[56] new tokens"),
        ({"max_length": 34}, "2 sequences of 3[46] new tokens"),
        ({"max_new_tokens": 31, "decoder_input_ids": torch.zeros((2, 3)).long()}, "2 sequences of 34 new tokens"),
        ({"max_new_tokens": 4, "num_beams": 3}, "6 sequences"),
    ],
    ids=str,
)
def test_answers_that_no_cache_has_room_for_are_refused_before_anything_is_computed(t5, whisper, monkeypatch, how, told):
    for (model, _), given in ((t5, text(2, 5)), (whisper, sound(2))):
        monkeypatch.setattr(type(model.sessions), "get", lambda *_: pytest.fail("a graph was opened"))
        with pytest.raises(ShapeError, match=told):
            model.generate(**given, **how)


@pytest.mark.parametrize("ids", STRANGE.values(), ids=STRANGE)
def test_ids_of_the_wrong_kind_are_refused_before_anything_is_computed(t5, whisper, monkeypatch, ids):
    monkeypatch.setattr(type(t5[0].sessions), "get", lambda *_: pytest.fail("a graph was opened"))
    for asked in ({"inputs": ids}, {"input_ids": ids}, {**text(1, 4), "decoder_input_ids": ids}):
        with pytest.raises(InputError, match=r"integers of shape|outside 0 to 119"):
            t5[0].generate(**asked, max_new_tokens=2)
    with pytest.raises(InputError, match=r"integers of shape|outside 0 to 119"):
        whisper[0].generate(**sound(1), decoder_input_ids=ids)


def test_inputs_of_the_wrong_kind_are_refused(t5, whisper):
    with pytest.raises(InputError, match="input_features has shape"):
        whisper[0].generate(torch.randn(1, 9, 40), max_new_tokens=4)
    with pytest.raises(InputError, match="input_ids is missing"):
        t5[0](decoder_input_ids=torch.ones((1, 1), dtype=torch.int64))
    with pytest.raises(UsageError, match="unknown argument 'max_new_tokns'; did you mean 'max_new_tokens'"):
        t5[0].generate(**text(1, 4), max_new_tokns=3)
    with pytest.raises(InputError, match="return_dict=False"):
        t5[0](**text(1, 4), return_dict=False)


def test_warming_opens_both_graphs(built):
    model = neuronbuild.NeuronModelForSeq2SeqLM.from_pretrained(built.releases[T5], warm=True)
    assert len(model.sessions._sessions) == 2
