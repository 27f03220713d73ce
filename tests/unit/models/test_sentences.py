"""Sentence embeddings against sentence-transformers itself, over exported graphs: folders of many settings, varied texts."""

from __future__ import annotations

import inspect
import random
import warnings

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm

from neuronbuild.errors import InputError, ShapeError
from neuronbuild.models.sentences import NeuronSentenceTransformers
from tests.conftest import WORDS, make_model
from tests.tools.sentences import fill_padding, open_release, write_folder
from tests.tools.tiny import OWN_ENCODER

SHAPES = [{"batch_size": 4, "sequence_length": 16}, {"batch_size": 2, "sequence_length": 66}]
SHORT = [{"batch_size": 4, "sequence_length": 16}, {"batch_size": 2, "sequence_length": 40}]
ALL = 200
SAMPLE = 30

PROMPTS = {"query": "find the answer: ", "passage": "a passage ", "long": "the cat sits on a mat in the park " * 3}
DENSE = {"in_features": 32, "out_features": 24}
FOLDERS: dict[str, dict] = {
    "the mean, normalised": {},
    "the first token, of small letters": {
        "pooling": {"pooling_mode": "cls"},
        "reader": {"max_seq_length": 40, "do_lower_case": True},
        "tokenizer": {"do_lower_case": False},
    },
    "the largest of 12 tokens": {"pooling": {"pooling_mode": "max"}, "reader": {"max_seq_length": 12}},
    "three modes, by the older keys": {
        "modules": ("Transformer", "Pooling"),
        "configs": {
            "Pooling": {
                "word_embedding_dimension": 32,
                "pooling_mode_lasttoken": True,
                "pooling_mode_mean_sqrt_len_tokens": True,
                "pooling_mode_cls_token": True,
                "pooling_mode_mean_tokens": False,
            }
        },
        "tokenizer": {"model_max_length": 20},
    },
    "weighted by place, padded on the left": {
        "pooling": {"pooling_mode": "weightedmean"},
        "tokenizer": {"padding_side": "left"},
    },
    "the first and the last token, padded and cut on the left": {
        "pooling": {"pooling_mode": ["cls", "lasttoken"]},
        "reader": {"max_seq_length": 24, "tokenizer_args": {"padding_side": "left", "truncation_side": "left"}},
    },
    "a prompt by default": {
        "uses": {"prompts": PROMPTS, "default_prompt_name": "passage", "similarity_fn_name": "dot", "truncate_dim": 20}
    },
    "prompts that aren't pooled": {
        "pooling": {"pooling_mode": ["mean", "weightedmean", "cls"], "include_prompt": False},
        "uses": {"prompts": PROMPTS, "default_prompt_name": "query"},
    },
    "prompts that aren't pooled, padded on the left": {
        "pooling": {"pooling_mode": ["lasttoken", "mean", "weightedmean", "cls"], "include_prompt": False},
        "tokenizer": {"padding_side": "left"},
        "uses": {"prompts": PROMPTS, "default_prompt_name": "query", "similarity_fn_name": "euclidean"},
        "reader": {"max_seq_length": 30},
    },
    "a transformer in a folder, with lengths by task": {
        "first": "0_Transformer",
        "reader_file": "sentence_xlm-roberta_config.json",
        "reader": {"max_seq_length": 40, "query_length": 9, "document_length": 17, "do_lower_case": False},
        "uses": {"prompts": {"corpus": "the dog ", "query": None, "document": None}, "similarity_fn_name": "manhattan"},
    },
    "a dense layer of another width, and a norm": {
        "modules": ("Transformer", "Pooling", "Dense", "LayerNorm", "Dropout", "Normalize"),
        "heads": {"2_Dense": Dense(**DENSE), "3_LayerNorm": LayerNorm(24)},
        "uses": {"truncate_dim": 10},
    },
    "RoBERTa, without token types": {
        "model": {"model_type": "roberta", "pad_token_id": 0},
        "tokenizer": {"model_input_names": ["input_ids", "attention_mask"]},
        "reader": {"max_seq_length": 40, "unpad_inputs": False, "model_kwargs": {}},
        "pooling": {"pooling_mode": ["cls", "mean"]},
    },
}


def varied_texts(count: int, seed: int) -> list:
    """Texts of every kind, at random: empty, long, in capitals, of white space, of other scripts, and pairs."""
    made = random.Random(seed)

    def words(most: int) -> str:
        return " ".join(made.choice(WORDS) for _ in range(made.randint(1, most)))

    kinds = [
        lambda: words(8),
        lambda: words(30),
        lambda: words(120),
        lambda: words(8).upper(),
        lambda: words(5).title() + made.choice(["!", "?", " ...", "\n"]),
        lambda: made.choice(["", " ", "\t\n  ", "."]),
        lambda: "".join(chr(made.choice([made.randint(32, 591), made.randint(0x4E00, 0x9FFF), 0x1F600])) for _ in range(9)),
        lambda: (words(6), words(20)),
        lambda: [words(3), ""],
    ]
    return [made.choice(kinds)() for _ in range(count)]


class Opened:
    """One folder, by the library and by us."""

    def __init__(self, place, settings: dict) -> None:
        settings = dict(settings)
        heads, shapes = settings.pop("heads", {}), settings.pop("shapes", SHAPES)
        filled = settings.pop("padding", False)
        torch.manual_seed(0)
        folder = write_folder(place / "model", **settings)
        if filled:
            fill_padding(folder)
        for name, module in heads.items():
            module.save(str(folder / name))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.theirs = SentenceTransformer(str(folder), device="cpu")
        self.ours = open_release(folder, place / "release", shapes)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Folders of settings by name, opened when first asked for."""
    known: dict[str, Opened] = {}

    def by_name(name: str) -> Opened:
        if name not in known:
            settings = FOLDERS[name]
            shapes = SHORT if settings.get("model") else SHAPES
            known[name] = Opened(tmp_path_factory.mktemp("folder"), {**settings, "shapes": shapes})
        return known[name]

    return by_name


def same(ours, theirs, within: float = 1e-5) -> bool:
    """Whether two results are alike: kinds, shapes, dtypes, and numbers within a distance."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        return all(same(ours[name], theirs[name], within) for name in theirs)
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        return all(same(*pair, within) for pair in zip(ours, theirs, strict=True))
    if not hasattr(theirs, "shape"):
        return ours == theirs
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    mine, other = (torch.as_tensor(each).double() for each in (ours, theirs))
    return torch.allclose(mine, other, rtol=0, atol=within, equal_nan=True)


@pytest.mark.parametrize("name", FOLDERS)
def test_embeddings_are_those_of_sentence_transformers(opened, name):
    each, texts = opened(name), varied_texts(SAMPLE, seed=1)
    assert same(each.ours.encode(texts), each.theirs.encode(texts))
    assert same(each.ours.encode_query(texts), each.theirs.encode_query(texts))
    assert same(each.ours.encode_document(texts, batch_size=7), each.theirs.encode_document(texts, batch_size=7))
    assert same(each.ours.encode(texts, prompt="who is The "), each.theirs.encode(texts, prompt="who is The "))
    assert np.std(each.ours.encode(texts), axis=0).max() > 0.01


PADDED = {
    "ConvBERT, whose convolutions run over padding": "convbert",
    "MobileBERT, whose tokens look at their neighbours": "mobilebert",
}
FULL = " ".join(WORDS[:14])
"""A text of 16 tokens."""


@pytest.fixture(scope="module", params=PADDED.values(), ids=PADDED)
def padded(request, tmp_path_factory):
    """A folder whose embeddings change with padding, for 16 and 20 tokens."""
    model = {"model_type": request.param, **OWN_ENCODER[request.param]}
    shapes = [{"batch_size": 3, "sequence_length": 16}, {"batch_size": 8, "sequence_length": 20}]
    each = Opened(tmp_path_factory.mktemp("padded"), {"model": model, "shapes": shapes, "padding": True})
    assert each.ours.padding_matters
    return each


def test_where_padding_matters_batches_of_a_compiled_length_are_embedded_as_by_sentence_transformers(padded):
    long = " ".join(WORDS[:18])
    batches = [
        [FULL],
        [long],
        [FULL] * 7,
        [FULL, "the cat", "a red dog runs"],
        [long, FULL, ""],
        [" ".join(WORDS[13::-1]), FULL],
    ]
    for texts in batches:
        assert same(padded.ours.encode(texts), padded.theirs.encode(texts))
        assert same(padded.ours.encode(texts, output_value=None), padded.theirs.encode(texts, output_value=None))
    several = [FULL, "who", *[FULL.upper()] * 2, *[FULL] * 2]
    assert same(padded.ours.encode(several, batch_size=3), padded.theirs.encode(several, batch_size=3))


@pytest.mark.parametrize("texts", [["the cat"], [FULL, f"{FULL} is"], [""]])
def test_where_padding_matters_texts_that_would_be_padded_further_are_refused_by_name(padded, texts):
    with pytest.raises(ShapeError, match="sequence_length=") as caught:
        padded.ours.encode(texts)
    assert caught.value.hint.startswith("padding changes this model's results: compile this length too")


@pytest.mark.soak
@pytest.mark.parametrize("name", FOLDERS)
def test_embeddings_of_all_texts_are_those_of_sentence_transformers(opened, name):
    each, texts = opened(name), varied_texts(ALL, seed=2)
    for arguments in (
        {},
        {"batch_size": 1},
        {"prompt": "a dog "},
        {"prompt_name": "query"},
        {"output_value": "token_embeddings"},
    ):
        assert same(each.ours.encode(texts, **arguments), each.theirs.encode(texts, **arguments))
    assert same(each.ours.encode_query(texts), each.theirs.encode_query(texts))
    assert same(each.ours.encode_document(texts), each.theirs.encode_document(texts))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_model_says_of_itself_what_sentence_transformers_says(opened, name):
    ours, theirs = opened(name).ours, opened(name).theirs
    for attribute in ("prompts", "default_prompt_name", "max_seq_length", "similarity_fn_name", "truncate_dim"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert ours.get_max_seq_length() == theirs.get_max_seq_length()
    assert ours.get_embedding_dimension() == ours.get_sentence_embedding_dimension() == theirs.get_embedding_dimension()
    vectors = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert same(ours.similarity(vectors, vectors[:3]), theirs.similarity(vectors, vectors[:3]))


TEXTS = [*varied_texts(11, seed=3), "", ("the cat", "a dog")]
INPUTS = [
    "the cat", "", np.str_("a dog"), [], (), [""], ("the cat", "a dog"), [("the cat", "a dog")], [["the cat", "a dog"]],
    ["a", ("b", "c"), ["d", "e"]], np.array(["a", "the dog"]), np.array([["a", "b"]]), np.array([], dtype=object), ["http://a.b/c.png"],
]  # fmt: skip
ARGUMENTS = [
    {},
    {"output_value": None},
    {"output_value": None, "batch_size": 3, "prompt": "the dog "},
    {"output_value": "token_embeddings"},
    {"output_value": "token_embeddings", "batch_size": 2},
    {"output_value": "token_embeddings", "precision": "uint8"},
    {"output_value": "token_embeddings", "precision": "binary"},
    {"precision": "int8"},
    {"precision": "uint8", "convert_to_tensor": True},
    {"precision": "binary"},
    {"precision": "ubinary", "convert_to_numpy": False},
    {"convert_to_tensor": True},
    {"convert_to_numpy": False},
    {"convert_to_numpy": False, "convert_to_tensor": True},
    {"normalize_embeddings": True, "truncate_dim": 5},
    {"truncate_dim": 0},
    {"truncate_dim": -3, "output_value": None},
    {"truncate_dim": 1000},
    {"prompt": ""},
    {"prompt": "the ", "prompt_name": "nothing"},
    {"prompt_name": "long"},
    {"device": "cpu"},
    {"device": torch.device("cpu"), "show_progress_bar": False},
    {"show_progress_bar": True},
    {"task": "query"},
    {"task": "anything"},
    {"batch_size": 1},
]
KEPT = "prompts that aren't pooled"


@pytest.mark.parametrize("inputs", INPUTS, ids=repr)
def test_inputs_of_every_kind_give_what_the_library_gives(opened, inputs):
    each = opened(KEPT)
    assert same(each.ours.encode(inputs), each.theirs.encode(inputs))


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=repr)
@pytest.mark.parametrize("name", [KEPT, "weighted by place, padded on the left"])
def test_arguments_do_what_they_do_in_the_library(opened, arguments, name):
    if arguments.get("prompt_name") == "long" and name != KEPT:
        arguments = {**arguments, "prompt_name": "document"}
    each = opened(name)
    for inputs in (TEXTS, "the cat") if "int8" not in str(arguments) else (TEXTS,):
        within = 1 if "int8" in str(arguments) else 1e-5  # a number on the edge of two steps may fall into either
        assert same(each.ours.encode(inputs, **arguments), each.theirs.encode(inputs, **arguments), within)


@pytest.mark.parametrize("arguments", [{}, {"convert_to_tensor": True}, {"convert_to_numpy": False}, {"output_value": None}])
def test_no_texts_give_nothing_of_the_same_kind(opened, arguments):
    each = opened(KEPT)
    assert same(each.ours.encode([], **arguments), each.theirs.encode([], **arguments))


REFUSED_INPUTS = [
    None, 5, [None], ["a", None], {"a"}, {"text": "a"}, [{"role": "user", "content": "x"}], b"a", [b"a"], [1.0], [[]], [("a",)],
    [("a", "b", "c")], [("a", 5)], iter(["a"]), np.array("a"), np.array([1.0]), np.array(["a", None], dtype=object), ["\ud800"],
]  # fmt: skip


@pytest.mark.parametrize("inputs", REFUSED_INPUTS, ids=lambda inputs: f"{inputs!a:.20}".partition(" object")[0])
def test_what_is_no_text_is_refused(opened, inputs):
    with pytest.raises(InputError) as caught:
        opened(KEPT).ours.encode(inputs)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "3"}, "batch_size"),
        ({"prompt_name": "nothing"}, "no prompt 'nothing'"),
        ({"prompt": 5}, "prompt is a int"),
        ({"output_value": "input_ids"}, "output_value 'input_ids'"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"output_value": None, "precision": "int8"}, "precision int8"),
        ({"truncate_dim": 1.5}, "truncate_dim"),
        ({"device": "cuda"}, "device 'cuda'"),
        ({"device": ["cpu", "cpu"]}, "device"),
        ({"pool": {}}, "pool"),
        ({"chunk_size": 3}, "chunk_size"),
        ({"processing_kwargs": {"text": {"max_length": 4}}}, "processing_kwargs"),
        ({"max_length": 5}, "unknown argument max_length"),
        ({"task": 5}, "task is a int"),
    ],
)
def test_arguments_that_cannot_be_followed_are_refused_by_name(opened, arguments, words):
    for texts in (["a"], []):
        with pytest.raises(InputError, match=words):
            opened(KEPT).ours.encode(texts, **arguments)


def test_one_embedding_has_no_range_of_bytes(opened):
    each = opened(KEPT)
    with pytest.raises(InputError, match="no range"):
        each.ours.encode("a", precision="int8")
    with pytest.raises(ValueError, match="single embedding"):
        each.theirs.encode("a", precision="int8")


@pytest.mark.parametrize("name", ["encode", "encode_query", "encode_document"])
def test_signatures_are_those_of_the_library(name):
    """A new argument of the library must be looked at before it is taken."""
    ours, theirs = (inspect.signature(getattr(each, name)) for each in (NeuronSentenceTransformers, SentenceTransformer))
    assert [(each.name, each.default, each.kind) for each in ours.parameters.values()] == [
        (each.name, each.default, each.kind) for each in theirs.parameters.values()
    ]


def test_older_names_of_arguments_and_methods_work(opened):
    each = opened(KEPT)
    assert same(each.ours.encode(sentences=["a"]), each.theirs.encode(["a"]))
    assert same(each.ours.encode_query(sentences=["a"]), each.theirs.encode_query(["a"]))
    ours, theirs = each.ours.tokenize(["a dog", "a"]), each.theirs.tokenize(["a dog", "a"])
    assert same(dict(ours), dict(theirs))
    assert each.ours.tokenize([]) == each.theirs.tokenize([]) == {}


def test_attributes_that_are_set_have_their_effect(opened):
    each = opened("the mean, normalised")
    for model in (each.ours, each.theirs):
        model.max_seq_length, model.truncate_dim, model.default_prompt_name = 7, 9, "own"
        model.prompts["own"] = "where is "
    try:
        assert same(each.ours.encode(TEXTS), each.theirs.encode(TEXTS))
        assert same(each.ours.encode(TEXTS, truncate_dim=3), each.theirs.encode(TEXTS, truncate_dim=3))
        with each.ours.truncate_embeddings(4), each.theirs.truncate_embeddings(4):
            assert each.ours.get_embedding_dimension() == 4
            assert same(each.ours.encode(TEXTS), each.theirs.encode(TEXTS))
    finally:
        for model in (each.ours, each.theirs):
            model.max_seq_length, model.truncate_dim, model.default_prompt_name = 66, None, None
            del model.prompts["own"]


def test_pooling_of_prompts_can_be_switched_where_it_was_compiled(opened):
    each = opened(KEPT)
    try:
        for included in (True, False):
            for model in (each.ours, each.theirs):
                model.set_pooling_include_prompt(included)
            assert same(each.ours.encode(TEXTS), each.theirs.encode(TEXTS))
    finally:
        each.theirs.set_pooling_include_prompt(False)
        each.ours.set_pooling_include_prompt(False)
    plain = opened("the mean, normalised").ours
    plain.set_pooling_include_prompt(True)
    with pytest.raises(InputError, match="pool the tokens of prompts"):
        plain.set_pooling_include_prompt(False)


def test_a_text_that_is_longer_than_every_shape_is_refused_until_a_shorter_length_is_set(tmp_path):
    each = Opened(tmp_path, {"shapes": [{"batch_size": 2, "sequence_length": 16}]})
    long = "cat " * 40
    with pytest.raises(ShapeError) as caught:
        each.ours.encode(["a", long])
    assert "sequence_length=42" in str(caught.value)
    assert "set max_seq_length = 16" in caught.value.hint
    each.ours.max_seq_length = each.theirs.max_seq_length = 16
    assert same(each.ours.encode(["a", long]), each.theirs.encode(["a", long]))


def test_texts_run_in_the_cheapest_shapes(opened):
    ours = opened("the mean, normalised").ours
    seen = []
    run = ours._runner.run
    ours._runner.run = lambda given: seen.append(tuple(given["input_ids"].shape)) or run(given)
    try:
        ours.encode(["cat " * 30, *["a dog"] * 6, "cat " * 20, "who"], batch_size=2)
    finally:
        ours._runner.run = run
    assert seen == [(2, 32), (4, 4), (3, 4)]


def test_a_plain_model_is_pooled_as_the_library_does_by_default(tmp_path):
    folder = make_model(tmp_path / "model", "AutoModel")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4, "unknown": 1}')  # the library doesn't read it
    ours = open_release(folder, tmp_path / "release", SHAPES)
    theirs = SentenceTransformer(str(folder), device="cpu")
    assert same(ours.encode(TEXTS), theirs.encode(TEXTS))


def test_outputs_are_had_by_name_and_every_token_is_pooled_by_default(opened):
    ours = opened(KEPT).ours
    encoded = ours.tokenizer(["the cat", "a dog runs"], padding=True, return_tensors="pt")
    output = ours(**encoded)
    assert list(output) == ["token_embeddings", "sentence_embedding"]
    assert same(output.sentence_embedding, ours.encode(["the cat", "a dog runs"], prompt="", convert_to_tensor=True))
