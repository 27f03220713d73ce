"""transformers' pipelines over compiled models: they say what they say of the eager model in the model's folder, and log no
error. How arguments are looked at is in `test_checked.py`.
"""

from __future__ import annotations

import functools
import json
import logging
import random
from pathlib import Path

import pytest
import torch
import transformers
from transformers.pipelines import PIPELINE_REGISTRY

import neuronbuild
from neuronbuild.errors import ReleaseError, UsageError
from neuronbuild.models import pipelines as pipelines_module
from neuronbuild.models.pipelines import REFUSED, RUNS, pipeline
from neuronbuild.tasks import OWN_TASKS
from tests.conftest import ROOT, VIVID, WORDS
from tests.tools.answers import alter_json, assert_alike, random_picture, random_sound
from tests.unit.runtime.releases import copy_release

MODALITIES = "'input_modalities': "
"""What is shown after the class, the dtype and the device; transformers has a word for it in one model, a tuple in the next."""

GREEDY = {"max_new_tokens": 5, "do_sample": False}
SPEECH = {"generate_kwargs": {"max_new_tokens": 12, "num_beams": 1}}
NLI = {"candidate_labels": ["red", "blue", "green"], "hypothesis_template": "a {} car"}


def text(seed: int) -> str:
    """Up to ten words."""
    chosen = random.Random(seed)
    return " ".join(chosen.choices(WORDS, k=chosen.randint(1, 10)))


def short(seed: int) -> str:
    """Up to five words."""
    return " ".join(text(seed).split()[:5])


def masked(seed: int) -> str:
    words = text(seed).split()
    words[seed % len(words)] = "[MASK]"
    return " ".join(words)


def pair(seed: int) -> dict:
    return {"text": short(seed), "text_pair": short(seed + 1000)}


OF_TEXT = [{}, {"batch_size": 2}]
CASES = {
    ("text-classification", "text-classification"): [
        (text, [*OF_TEXT, {"top_k": 2}, {"top_k": None}, {"function_to_apply": "sigmoid"}, {"function_to_apply": "none"}]),
        (pair, [{}, {"top_k": None}]),
    ],
    ("zero-shot-classification", "text-classification"): [
        (short, [NLI, {**NLI, "multi_label": True}, {**NLI, "candidate_labels": "red,blue"}, {**NLI, "batch_size": 2}])
    ],
    ("token-classification", "token-classification"): [
        (
            text,
            [
                *OF_TEXT,
                *({"aggregation_strategy": how} for how in ("none", "simple", "first", "average", "max")),
                {"ignore_labels": []},
                {"stride": 2, "aggregation_strategy": "simple"},
            ],
        ),
        (lambda seed: text(seed).split(), [{"is_split_into_words": True, "aggregation_strategy": "simple"}]),
    ],
    ("fill-mask", "fill-mask"): [(masked, [*OF_TEXT, {"top_k": 2}, {"targets": ["cat", "dog"]}])],
    ("feature-extraction", "feature-extraction"): [
        (text, [*OF_TEXT, {"return_tensors": True}, {"tokenize_kwargs": {"add_special_tokens": False}}])
    ],
    ("feature-extraction", "sentence-similarity"): [(text, OF_TEXT)],
    ("text-generation", "text-generation"): [
        (
            text,
            [
                GREEDY,
                {**GREEDY, "batch_size": 2},
                {**GREEDY, "num_beams": 2},
                {**GREEDY, "return_full_text": False},
                {**GREEDY, "return_tensors": True},
                {**GREEDY, "stop_sequence": "a"},
                {**GREEDY, "prefix": "the "},
                {"max_new_tokens": 6},
                {"max_new_tokens": 4, "num_return_sequences": 2, "temperature": 0.9},
            ],
        )
    ],
    ("image-classification", "image-classification"): [
        (random_picture, [{}, {"top_k": 1}, {"batch_size": 2}, {"function_to_apply": "sigmoid"}, {"timeout": 3}])
    ],
    ("image-segmentation", "semantic-segmentation"): [(random_picture, [{}, {"subtask": "semantic"}, {"batch_size": 2}])],
    ("object-detection", "object-detection"): [(random_picture, [{}, {"threshold": 0.0}, {"threshold": 0.2, "batch_size": 2}])],
    ("zero-shot-image-classification", "zero-shot-image-classification"): [
        (
            random_picture,
            [
                {"candidate_labels": ["cat", "dog"]},
                {"candidate_labels": ["a", "b", "c"], "hypothesis_template": "see {}", "batch_size": 2},
            ],
        )
    ],
    ("audio-classification", "audio-classification"): [
        (random_sound, [{}, {"top_k": 1}, {"batch_size": 2}, {"function_to_apply": "sigmoid"}])
    ],
    ("automatic-speech-recognition", "automatic-speech-recognition"): [
        (random_sound, [{}, {"return_timestamps": "char"}, {"return_timestamps": "word"}, {"batch_size": 2}])
    ],
    ("automatic-speech-recognition", "speech-seq2seq"): [
        (random_sound, [SPEECH, {**SPEECH, "return_timestamps": True}, {**SPEECH, "batch_size": 2}]),
        (functools.partial(random_sound, samples=20_000), [{**SPEECH, "return_timestamps": True}]),
        (functools.partial(random_sound, samples=20_000), [{**SPEECH, "chunk_length_s": 1, "ignore_warning": True}]),
    ],
}


@pytest.fixture
def errors(caplog):
    """What transformers logs, which keeps its records to itself."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    logger.removeHandler(caplog.handler)


def test_each_pipeline_of_transformers_is_run_or_refused():
    known = set(PIPELINE_REGISTRY.supported_tasks)
    assert known - set(RUNS) - set(REFUSED) == set()
    assert set(RUNS).isdisjoint(REFUSED)
    assert {(name, task) for name, tasks in RUNS.items() for task in tasks} == set(CASES)


@pytest.fixture(scope="module")
def pipelines(built, vivid, models):
    """The pipeline of a name over the release for a task, and transformers' over the model's folder."""

    @functools.cache
    def get(name: str, task: str):
        folder, release = (vivid.root / "models" / task, vivid) if task in VIVID else (models[task], built)
        return pipeline(name, release.releases[task]), transformers.pipeline(name, model=str(folder), device="cpu")

    return get


def say(pipe, inputs, options, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return pipe(inputs, **options)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_pipeline_says_what_it_says_of_the_eager_model(pipelines, errors, name, task):
    compiled, reference = pipelines(name, task)
    for draw, calls in CASES[name, task]:
        for number, options in enumerate(calls):
            inputs = [draw(3 * number + each) for each in range(3)] if "batch_size" in options else draw(number)
            assert_alike(say(compiled, inputs, options), say(reference, inputs, options))
    assert errors() == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_pipeline_says_so_of_many_inputs(pipelines, name, task, seed):
    compiled, reference = pipelines(name, task)
    for draw, calls in CASES[name, task]:
        for options in calls:
            inputs = [draw(100 * seed + each) for each in range(4)]
            assert_alike(say(compiled, inputs, options), say(reference, inputs, options))


MODES = ["L", "LA", "1", "P", "RGBA", "CMYK", "I;16", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_every_mode_are_read_as_transformers_reads_them(pipelines, mode, tmp_path):
    picture = (
        random_picture(5).convert("L").convert("I").point(lambda value: value * 256) if mode == "I;16" else random_picture(5)
    )
    for name, task in (
        ("image-classification", "image-classification"),
        ("image-segmentation", "semantic-segmentation"),
        ("object-detection", "object-detection"),
    ):
        compiled, reference = pipelines(name, task)
        options = {"threshold": 0.0} if name == "object-detection" else {}
        given = picture.convert(mode)
        assert_alike(say(compiled, given, options), say(reference, given, options))


def test_generators_and_datasets_are_read_one_by_one(pipelines):
    compiled, reference = pipelines("text-classification", "text-classification")
    texts = [text(seed) for seed in range(5)]
    expected = [say(reference, each, {"top_k": 1})[0] for each in texts]
    assert_alike([found[0] for found in compiled((each for each in texts), top_k=1)], expected)

    class Texts(torch.utils.data.Dataset):
        def __len__(self):
            return len(texts)

        def __getitem__(self, number):
            return texts[number]

    assert_alike([found[0] for found in compiled(Texts(), batch_size=2, top_k=1)], expected)


def test_batches_of_any_size_are_split_where_the_release_may(built, models):
    texts = [" ".join([text(seed)] * (1 + seed % 3)) for seed in range(7)]
    reference = transformers.pipeline("feature-extraction", model=str(models["feature-extraction"]), device="cpu")
    compiled = pipeline("feature-extraction", built.releases["grid"])
    for size in (1, 3, 7):
        assert_alike(say(compiled, texts, {"batch_size": size}), say(reference, texts, {"batch_size": size}))


def test_speech_with_the_pipelines_own_five_beams_is_refused_where_fewer_are_compiled(pipelines):
    compiled, reference = pipelines("automatic-speech-recognition", "speech-seq2seq")
    with pytest.raises(ValueError, match="5 beams fit no compiled shape") as caught:
        compiled(random_sound(0), generate_kwargs={"max_new_tokens": 12})
    assert "num_beams=1" in caught.value.hint
    options = {"generate_kwargs": {"max_new_tokens": 12, "num_beams": 4}}
    assert compiled(random_sound(0), **options) == reference(random_sound(0), **options)


def test_a_release_holds_the_config_that_its_pipelines_look_at(built, models):
    for task, release in built.releases.items():
        if task in models:
            kept, own = (transformers.AutoConfig.from_pretrained(folder).to_diff_dict() for folder in (release, models[task]))
            assert {**kept, "_name_or_path": None} == {**own, "_name_or_path": None}, task


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression", "single_label_classification", None])
def test_the_kind_of_problem_decides_what_scores_are(vivid, tmp_path, kind):
    folder = copy_release(vivid.root / "models/text-classification", tmp_path)
    alter_json(folder / "config.json", problem_type=kind)
    loaded = neuronbuild.open_model(vivid.releases["text-classification"])
    loaded.config.problem_type = kind
    found = pipeline("text-classification", loaded)
    reference = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    for seed in range(3):
        assert_alike(found(text(seed), top_k=None), reference(text(seed), top_k=None))


def test_transformers_own_pipeline_takes_our_models(built, errors):
    model = neuronbuild.open_model(built.releases["image-classification"])
    found = transformers.pipeline("image-classification", model=model, image_processor=model.processor)(random_picture(0))
    assert {each["label"] for each in found} == {"LABEL_0", "LABEL_1"}
    assert errors() == []


def test_a_loaded_model_and_other_names_of_a_task_will_do(built):
    model = neuronbuild.open_model(built.releases["token-classification"])
    assert pipeline("ner", model).model is model
    assert neuronbuild.pipeline("semantic-segmentation", built.releases["semantic-segmentation"]).task == "image-segmentation"
    assert pipeline("sentiment-analysis", built.releases["text-classification"]).task == "text-classification"


def test_the_models_tokenizer_stays_as_it_was(vivid):
    model = neuronbuild.open_model(vivid.releases["text-generation"])
    before = model.tokenizer.padding_side, model.tokenizer.model_max_length
    pipeline("text-generation", model)("the cat", truncation=True, **GREEDY)
    assert (model.tokenizer.padding_side, model.tokenizer.model_max_length) == before


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_pipeline_is_shown_as_transformers_shows_it_with_our_class(pipelines, name, task, capsys):
    compiled, reference = pipelines(name, task)
    print(compiled)
    shown, told = (text.partition(MODALITIES) for text in (capsys.readouterr().out.splitlines()[-1], repr(reference)))
    assert shown[0] == told[0].replace(type(reference.model).__name__, type(compiled.model).__name__)
    assert str(compiled.model.input_modalities) in shown[2]


def test_a_pipeline_is_saved_with_its_release(vivid, tmp_path):
    found = pipeline("text-classification", vivid.releases["text-classification"])
    found.save_pretrained(tmp_path / "saved")
    assert_alike(pipeline("text-classification", tmp_path / "saved")("the cat"), found("the cat"))


def test_a_model_is_compiled_where_the_cache_has_not_got_it(built, models, tmp_path):
    made = pipeline(
        "image-classification",
        models["image-classification"],
        export=True,
        batch_size=2,
        cache=str(built.cache),
        output=str(tmp_path),
        top_k=1,
    )
    assert made.model.shapes == [{"batch_size": 2, "num_channels": 3, "width": 32, "height": 32}]
    assert len(made(random_picture(0))) == 1


def test_a_model_is_compiled_for_the_task_that_a_pipeline_runs(built, models, tmp_path):
    shapes = {"batch_size": 2, "sequence_length": 16, "cache": str(built.cache), "output": str(tmp_path)}
    made = pipeline("zero-shot-classification", models["text-classification"], export=True, **shapes)
    assert (made.task, made.model.task) == ("zero-shot-classification", "text-classification")


@pytest.mark.parametrize("name", ["image-clasification", "text-generatoin", ""])
def test_a_pipeline_that_there_is_not_is_refused(built, name):
    with pytest.raises(UsageError, match=f"unknown pipeline '{name}'"):
        pipeline(name, built.releases["image-classification"])


@pytest.mark.parametrize("task", [task for task, row in OWN_TASKS.items() if not set(row.runs_in) & set(RUNS)])
def test_a_task_that_transformers_has_no_pipeline_for_is_told(built, task):
    with pytest.raises(UsageError, match=f"transformers .* has no pipeline for {task}") as caught:
        pipeline(task, built.releases[task])
    assert OWN_TASKS[task].model_class in caught.value.hint


@pytest.mark.parametrize("name", ["summarization", "translation", "translation_en_to_fr", "vqa"])
def test_a_pipeline_that_transformers_had_once_is_told(built, name):
    with pytest.raises(UsageError, match=f"transformers .* has no pipeline for {name}"):
        pipeline(name, built.releases["text2text-generation"])


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_pipeline_whose_models_cannot_be_compiled_is_refused_with_the_reason(built, name):
    with pytest.raises(UsageError, match=f"the pipeline {name} can't run compiled models: "):
        pipeline(name, built.releases["image-classification"])


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_model_of_another_task_is_refused(built, name):
    task = "multiple-choice" if "question" not in name else "fill-mask"
    with pytest.raises(UsageError, match=f"compiled for {task}, no pipeline for {name} can run it"):
        pipeline(name, built.releases[task])


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ReleaseError, match="there is no such folder"):
        pipeline("fill-mask", tmp_path / "nowhere")


def test_whatever_pipelines_ask_of_a_model_is_there(built):
    """Names that the source of pipelines reads from models: a new one that ours lack shows here."""
    import re

    folder = Path(transformers.pipelines.__file__).parent
    implementations = {PIPELINE_REGISTRY.supported_tasks[name]["impl"].split(".")[-2] for name in RUNS}
    asked = {
        word
        for module in (*implementations, "base")
        for word in re.findall(r"self\.model\.(\w+)", (folder / f"{module}.py").read_text())
    }
    model = neuronbuild.open_model(built.releases["speech-seq2seq"])
    assert {word for word in asked if not hasattr(model, word)} == set()
    assert asked >= {"config", "device", "generate", "generation_config"}


def test_a_pipeline_that_generates_is_shown_as_transformers_shows_it(vivid):
    found = pipeline("text-generation", vivid.releases["text-generation"])
    assert str(found).startswith(
        "TextGenerationPipeline: {'model': 'NeuronModelForCausalLM', 'dtype': 'float32', 'device': 'cpu'"
    )
    assert str(found).endswith("'output_modalities': ('text',)}")


@pytest.mark.parametrize(
    "word", ["sequence_length", "auto_cast", "instance_type", "num_cores", "platform", "inline_weights_to_neff"]
)
def test_what_says_how_to_compile_is_told_to_need_export(tmp_path, word):
    with pytest.raises(UsageError, match=f"{word} can't be given without export=True"):
        pipeline("fill-mask", tmp_path, **{word: 8})


KEYWORDS = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())["calls"]["pipeline"]


def test_every_keyword_of_optimum_neurons_pipeline_is_taken_at_its_default(tmp_path):
    idle = {name: value for name, value in KEYWORDS.items() if name not in {"task", "model"}}
    with pytest.raises(ReleaseError, match="it is no release"):  # all are let in, and then there is none
        pipeline("fill-mask", tmp_path, **idle, subfolder="", force_download=False, local_files_only=False, auto_cast=None)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"token": "hf_secret"}, "fill-mask: token can't be had: set HF_TOKEN"),
        ({"use_auth_token": "hf_secret"}, "fill-mask: unknown argument 'use_auth_token'; set HF_TOKEN"),
        ({"force_download": True}, "fill-mask: unknown argument 'force_download'; what was downloaded is checked"),
        ({"input_shapes": {"batch_size": 1}}, "fill-mask: input_shapes can't be given without export=True"),
        ({"compiler_args": {"optlevel": 1}, "optlevel": 2, "export": True}, "fill-mask: optlevel is given twice"),
    ],
)
def test_a_keyword_of_optimum_neurons_that_would_say_something_is_refused(tmp_path, keywords, words):
    with pytest.raises(UsageError, match=words) as caught:
        pipeline("fill-mask", tmp_path, **keywords)
    assert "hf_secret" not in str(caught.value)


def test_shapes_and_compiler_arguments_may_be_given_as_optimum_neuron_takes_them(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(pipelines_module, "export_model", lambda *arguments: given.append(arguments) or tmp_path)
    words = {"input_shapes": {"batch_size": 2, "sequence_length": 8}, "compiler_args": {"auto_cast": "none", "optlevel": "1"}}
    with pytest.raises(ReleaseError):  # the folder that stands for one holds none
        pipeline("fill-mask", "org/model", export=True, revision="main", local_files_only=True, **words)
    said = {"batch_size": 2, "sequence_length": 8, "auto_cast": "none", "optlevel": "1", "local_files_only": True}
    assert given == [("org/model", "fill-mask", said)]


def test_a_model_where_a_release_is_wanted_is_told_with_export(models):
    with pytest.raises(ReleaseError, match="pass export=True"):
        pipeline("fill-mask", models["fill-mask"])


def test_a_pipeline_of_another_task_names_the_one_that_fits(vivid):
    with pytest.raises(UsageError, match="no pipeline for fill-mask can run it") as caught:
        pipeline("fill-mask", vivid.releases["text-classification"])
    assert "choose the pipeline 'text-classification'" in caught.value.hint
