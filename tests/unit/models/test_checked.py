"""What our pipelines do otherwise than transformers': they refuse what would be dropped, and cut texts where asked to."""

from __future__ import annotations

import inspect

import pytest
import torch
import transformers
from transformers.pipelines import PIPELINE_REGISTRY

import neuronbuild
from neuronbuild.errors import InputError, NeuronBuildError, ShapeError, UsageError
from neuronbuild.models.checked import BY_TOKENIZER, DROPPED, TOKENIZES, UNASKED, checked, refuse_unused
from neuronbuild.models.pipelines import FIXED, RUNS, pipeline
from tests.conftest import TEXT, VIVID
from tests.tools.answers import assert_alike, random_picture, random_sound

LONG = "the cat sits on a mat " * 8
NLI = {"candidate_labels": ["red", "blue"], "hypothesis_template": "a {}"}
GREEDY = {"max_new_tokens": 5, "do_sample": False}
LENGTH = TEXT["sequence_length"]

CUT = {
    "text-classification": (LONG, {}),
    "zero-shot-classification": (LONG, NLI),
    "token-classification": (LONG, {"aggregation_strategy": "first"}),
    "fill-mask": ("the [MASK] " + LONG, {}),
    "feature-extraction": (LONG, {}),
    "text-generation": (LONG, GREEDY),
}


def reference(vivid, name, task, length=None):
    """transformers' pipeline over the model's folder, with a tokenizer that cuts to a length."""
    model = vivid.root / "models" / task
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    if length is not None:
        tokenizer.model_max_length = length
    return transformers.pipeline(name, model=str(model), tokenizer=tokenizer, device="cpu")


@pytest.fixture(scope="module")
def opened(vivid, built):
    made = {}

    def get(name):
        if name not in made:
            task = RUNS[name][0]
            made[name] = pipeline(name, (vivid if task in VIVID else built).releases[task])
        return made[name]

    return get


@pytest.mark.parametrize("name", CUT)
def test_a_text_that_is_too_long_is_refused_and_told_what_to_do(opened, name):
    given, options = CUT[name]
    with pytest.raises(ShapeError) as caught:
        opened(name)(given, **options)
    assert "truncation=True" in caught.value.hint or name == "text-generation"


@pytest.mark.parametrize("name", CUT)
def test_truncation_cuts_to_the_compiled_length(opened, vivid, name):
    given, options = CUT[name]
    length = 48 - GREEDY["max_new_tokens"] if name == "text-generation" else LENGTH
    expected = {
        "fill-mask": {"tokenizer_kwargs": {"truncation": True}},
        "zero-shot-classification": {},
        "token-classification": {},
    }.get(name, {"truncation": True})
    said = reference(vivid, name, RUNS[name][0], length)(given, **options, **expected)
    assert_alike(opened(name)(given, **options, truncation=True), said)


@pytest.mark.parametrize("name", CUT)
def test_truncation_changes_nothing_of_short_texts(opened, name):
    given, options = CUT[name]
    short = " ".join(given.split()[:4])
    assert_alike(opened(name)(short, **options, truncation=True), opened(name)(short, **options))


@pytest.mark.parametrize("name", CUT)
def test_truncation_may_be_said_for_all_calls_and_taken_back_for_one(opened, name):
    given, options = CUT[name]
    found = pipeline(name, opened(name).model, truncation=True)
    assert_alike(found(given, **options), opened(name)(given, **options, truncation=True))
    with pytest.raises(ShapeError):
        found(given, **options, truncation=False)


@pytest.mark.parametrize("strategy", ["only_first", "only_second", "longest_first"])
def test_pairs_are_cut_by_any_strategy(opened, vivid, strategy):
    pair = {"text": "the cat sits", "text_pair": LONG} if strategy == "only_second" else {"text": LONG, "text_pair": "a dog"}
    expected = reference(vivid, "text-classification", "text-classification", LENGTH)(pair, truncation=strategy)
    assert_alike(opened("text-classification")(pair, truncation=strategy), expected)


def test_a_length_that_is_given_wins(opened, vivid):
    options = {"truncation": True, "max_length": 8}
    expected = reference(vivid, "text-classification", "text-classification")(LONG, **options)
    assert_alike(opened("text-classification")(LONG, **options), expected)
    with pytest.raises(ShapeError):
        opened("text-classification")(LONG, truncation=True, max_length=LENGTH + 1)


def test_what_the_tokenizer_allows_is_not_exceeded(vivid):
    model = neuronbuild.open_model(vivid.releases["text-classification"])
    model.tokenizer.model_max_length = 9
    expected = reference(vivid, "text-classification", "text-classification", 9)(LONG, truncation=True)
    assert_alike(pipeline("text-classification", model)(LONG, truncation=True), expected)


@pytest.mark.parametrize("name", UNASKED)
def test_pipelines_that_always_cut_do_so_where_the_models_own_length_says(vivid, name):
    model = neuronbuild.open_model(vivid.releases[RUNS[name][0]])
    model.tokenizer.model_max_length = 12
    given, options = CUT[name]
    expected = reference(vivid, name, RUNS[name][0], 12)(given, **options)
    assert_alike(pipeline(name, model)(given, **options), expected)


@pytest.mark.parametrize("stride", [0, 3, 9])
@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
def test_a_stride_reads_long_texts_in_windows_of_the_compiled_length(opened, vivid, stride, strategy):
    options = {"stride": stride, "aggregation_strategy": strategy}
    expected = reference(vivid, "token-classification", "token-classification", LENGTH)(LONG, **options)
    assert_alike(opened("token-classification")(LONG, **options), expected)


def test_a_stride_that_leaves_nothing_of_a_window_is_refused(opened):
    with pytest.raises(UsageError, match="stride=14 leaves nothing of windows of 14 tokens"):
        opened("token-classification")(LONG, stride=14, aggregation_strategy="simple")


def test_a_hole_in_a_prompt_is_cut_for_the_compiled_length(opened, vivid):
    options = {"handle_long_generation": "hole", **GREEDY}
    expected = reference(vivid, "text-generation", "text-generation", 48)(LONG, **options)
    assert_alike(opened("text-generation")(LONG, **options), expected)


def test_candidate_labels_are_cut_for_images_too(built, opened, models):
    options = {"candidate_labels": ["cat"], "hypothesis_template": "a very very very long {} text"}
    name = "zero-shot-image-classification"
    with pytest.raises(ShapeError):
        opened(name)(random_picture(0), **options)
    assert opened(name)(random_picture(0), **options, truncation=True) == [{"score": 1.0, "label": "cat"}]


UNKNOWN = {
    "text-classification": ["return_all_scores", "framework", "foo"],
    "zero-shot-classification": ["foo", "top_k"],
    "token-classification": ["foo", "grouped_entities"],
    "fill-mask": ["foo"],
    "feature-extraction": ["foo", "top_k"],
    "text-generation": ["foo", "seed"],
    "image-classification": ["foo", "truncation"],
    "image-segmentation": ["foo", "truncation"],
    "object-detection": ["foo", "top_k"],
    "zero-shot-image-classification": ["foo", "tokenizer_kwargs"],
    "audio-classification": ["foo", "chunk_length_s"],
    "automatic-speech-recognition": ["foo", "num_beams", "decoder_kwargs"],
}
INPUT = {"image": random_picture(0), "audio": random_sound(0), "object": random_picture(0)}


def give(name):
    """An input and the arguments that a pipeline can't do without."""
    labels = NLI if "zero-shot" in name else {}
    if name == "automatic-speech-recognition":
        return random_sound(0), {}
    kind = name.removeprefix("zero-shot-").partition("-")[0]
    return INPUT.get(kind, "the [MASK] sits"), labels | (GREEDY if name == "text-generation" else {})


def test_every_pipeline_is_tried_with_unknown_arguments():
    assert set(UNKNOWN) == set(RUNS)


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in UNKNOWN.items() for word in words])
def test_what_a_pipeline_would_drop_is_refused_by_name(built, vivid, name, word):
    task = name if name == "automatic-speech-recognition" else RUNS[name][0]
    found = pipeline(name, (vivid if task in VIVID else built).releases[task])
    given, options = give(name)
    value = {"a": 1} if word.endswith("kwargs") else 2
    with pytest.raises(NeuronBuildError, match=word):
        found(given, **options, **{word: value})
    if word in options or name == "text-generation":  # generation looks at its arguments when it begins
        return
    with pytest.raises(UsageError, match=word):
        pipeline(name, found.model, **{word: value})


@pytest.mark.parametrize("name", ["text-classification", "token-classification", "fill-mask", "image-classification"])
def test_a_misspelt_argument_is_told_before_anything_is_compiled(name, models, tmp_path):
    said = {"export": True, "batch_sise": 2, "cache": str(tmp_path / "cache"), "output": str(tmp_path / "releases")}
    with pytest.raises(UsageError, match="batch_sise"):
        pipeline(name, models[RUNS[name][0]], **said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("holder", ["tokenize_kwargs", "tokenizer_kwargs", "tokenizer_encode_kwargs"])
def test_unknown_arguments_of_the_tokenizer_are_refused(opened, holder):
    name = {"tokenize_kwargs": "feature-extraction", "tokenizer_kwargs": "fill-mask"}.get(holder, "text-generation")
    given, options = give(name)
    with pytest.raises(UsageError, match="unknown argument of the tokenizer 'foo'"):
        opened(name)(given, **options, **{holder: {"foo": 1}})


VALUES = {
    "device": ["cuda", 0, torch.device("meta")],
    "dtype": ["float16", torch.bfloat16],
    "torch_dtype": [torch.float16],
    "model_kwargs": [{"attn_implementation": "eager"}],
    "use_fast": [False],
    "trust_remote_code": [True],
    "binary_output": [True],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in FIXED for value in VALUES.get(key, ["x"])])
def test_arguments_that_leave_a_compiled_model_no_choice_are_refused(vivid, key, value):
    with pytest.raises(UsageError, match=rf"{key}(=.*)? can't be had"):
        pipeline("text-classification", vivid.releases["text-classification"], **{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("device", -1), ("device", torch.device("cpu")), ("dtype", "auto"), ("model_kwargs", {}), ("trust_remote_code", False)],
)
def test_values_that_change_nothing_are_taken(vivid, key, value):
    assert pipeline("text-classification", vivid.releases["text-classification"], **{key: value})("the cat")


def test_every_argument_of_transformers_own_function_is_taken_or_refused():
    known = set(inspect.signature(transformers.pipeline).parameters)
    ours = {"task", "model", "revision", "pipeline_class", "kwargs"}
    assert known - ours - set(FIXED) == {"tokenizer", "feature_extractor", "image_processor"}


@pytest.mark.parametrize("part", ["image_processor", "feature_extractor"])
def test_a_part_that_the_pipeline_makes_no_use_of_is_refused(vivid, part):
    with pytest.raises(UsageError, match=f"makes no use of {part}"):
        pipeline("text-classification", vivid.releases["text-classification"], **{part: object()})


def test_a_tokenizer_of_ones_own_is_used(vivid):
    tokenizer = transformers.AutoTokenizer.from_pretrained(vivid.root / "models/text-classification", do_lower_case=False)
    own = pipeline("text-classification", vivid.releases["text-classification"], tokenizer=tokenizer)
    assert own.tokenizer is tokenizer


def test_where_a_loaded_model_comes_from_cannot_be_said_again(vivid):
    model = neuronbuild.open_model(vivid.releases["fill-mask"])
    for said in ({"revision": "v1"}, {"export": True}, {"local_files_only": True}):
        with pytest.raises(UsageError, match="this one is loaded already"):
            pipeline("fill-mask", model, **said)


def test_code_that_the_config_names_is_refused(vivid):
    model = neuronbuild.open_model(vivid.releases["text-classification"])
    model.config.custom_pipelines = {"text-classification": {"impl": "own.Own"}}
    with pytest.raises(UsageError, match="names Python code of its own"):
        pipeline("text-classification", model)


def test_more_than_one_input_by_place_is_refused(opened):
    for name in ("feature-extraction", "object-detection"):
        given, _ = give(name)
        with pytest.raises(UsageError, match="2 inputs by place"):
            opened(name)(given, given)


def test_a_batch_that_is_larger_than_compiled_is_refused(opened):
    with pytest.raises(ShapeError, match="batch_size=3") as caught:
        opened("text-classification")(["a", "b", "c"], batch_size=3)
    assert "dynamic_batch_size" in caught.value.hint


@pytest.mark.parametrize("samples", [300, 399, 401])
@pytest.mark.parametrize("task", ["audio-classification", "automatic-speech-recognition"])
def test_sound_of_another_length_is_refused_where_padding_is_heard(built, task, samples):
    with pytest.raises(ShapeError, match=f"audio_sequence_length={samples}"):
        pipeline(task, built.releases[task])(random_sound(0, samples))


def test_pictures_that_would_be_made_of_another_size_are_refused(opened):
    with pytest.raises(ShapeError, match="height=32, width=32"):
        opened("object-detection")(random_picture(0, 50, 50))


def test_timestamps_of_words_are_refused(built):
    hears = pipeline("automatic-speech-recognition", built.releases["speech-seq2seq"])
    with pytest.raises(UsageError, match="need attention weights"):
        hears(random_sound(0), return_timestamps="word", generate_kwargs={"num_beams": 1, "max_new_tokens": 5})


def test_a_language_model_that_no_release_carries_is_refused(built):
    name = "automatic-speech-recognition"
    model = neuronbuild.open_model(built.releases[name])
    extractor = model.processor.feature_extractor
    extractor._processor_class = "Wav2Vec2ProcessorWithLM"
    with pytest.raises(UsageError, match="asks for Wav2Vec2ProcessorWithLM, and carries no language model"):
        pipeline(name, model, feature_extractor=extractor)
    assert pipeline(name, model, feature_extractor=extractor, decoder=None)(random_sound(0))["text"]


def test_inputs_that_the_model_cannot_take_are_refused_by_the_model(opened):
    with pytest.raises(InputError, match="unknown input offset_mapping"):
        opened("text-classification")("the cat", return_offsets_mapping=True)


def test_the_lists_of_how_pipelines_cut_fit_their_source():
    """A pipeline that learns to take `truncation`, or forgets it, shows here."""
    for name in CUT:
        told = PIPELINE_REGISTRY.supported_tasks[name]["impl"].rpartition(".")[2]
        known = inspect.signature(getattr(transformers, told)._sanitize_parameters).parameters
        assert ("truncation" in known) == (name not in UNASKED + BY_TOKENIZER + TOKENIZES), name
    for name, words in DROPPED.items():
        told = getattr(transformers, PIPELINE_REGISTRY.supported_tasks[name]["impl"].rpartition(".")[2])
        sort = object.__new__(told)._sanitize_parameters
        assert all(sort(**{word: {"a": 1}}) == sort() for word in words)


def test_names_are_used_where_they_come_out_again():
    class Own(transformers.Pipeline):
        preprocess = _forward = postprocess = None

        def _sanitize_parameters(self, named=None, **others):
            return {"far": others["near"]} if "near" in others else {}, {}, {}

    sort = object.__new__(Own)._sanitize_parameters
    refuse_unused("own", sort, {"named": 1, "near": 2, "empty": None})
    with pytest.raises(UsageError, match="unknown argument 'nearer'"):
        refuse_unused("own", sort, {"nearer": 1})
    assert issubclass(checked(Own), Own)
