from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild.errors import RecipeError, SourceError, ToolchainError, UsageError
from neuronbuild.models.export import ARGUMENTS, export_model, make_recipe, refuse_misfit
from neuronbuild.recipe.idle import IDLE, settle
from neuronbuild.recipe.schema import Recipe
from neuronbuild.runtime.reader import read_release
from tests.conftest import ROOT, TEXT
from tests.doubles.hub import HubDouble, lead_client_to
from tests.flows.checkpoints import copy_model, train
from tests.flows.stores import contents, copy_store, manifest, records
from tests.limits import LONG
from tests.tools.tiny import DECODER
from tests.unit.runtime.releases import random_inputs

CLASS = neuronbuild.NeuronModelForSequenceClassification
TASK = "text-classification"


@pytest.fixture(scope="module")
def places(built, tmp_path_factory):
    """Keywords that name a copy of the store and a folder for releases."""
    root = tmp_path_factory.mktemp("export")
    return {"cache": str(copy_store(built.cache, root / "store")), "output": root / "releases"}


def compiles(places) -> set[str]:
    store = Path(places["cache"])
    return {key for key in records(store) if manifest(store, key)["action"]["kind"] == "compile"}


def test_a_model_whose_graph_is_in_the_cache_is_not_compiled(models, built, places):
    before = compiles(places)
    model = CLASS.from_pretrained(models[TASK], export=True, **TEXT, **places)
    again = CLASS.from_pretrained(models[TASK], export=True, **TEXT, **places)
    assert compiles(places) == before
    assert model._release.folder == again._release.folder
    inputs = random_inputs(2, 16)
    expected = CLASS.from_pretrained(built.releases[TASK])(**inputs).logits
    assert torch.equal(model(**inputs).logits, expected)
    assert torch.equal(again(**inputs).logits, expected)


def test_the_words_of_optimum_neuron_mean_the_same(models, places):
    before = compiles(places)
    words = {"inline_weights_to_neff": False, "torch_dtype": torch.float32, "tensor_parallel_size": 1, "instance_type": "cpu"}
    ours = {"weights": "separate", "dtype": "float32", "num_cores": 1, "platform": "cpu"}
    theirs = CLASS.from_pretrained(models[TASK], export=True, auto_cast="none", optlevel=2, **TEXT, **words, **places)
    same = CLASS.from_pretrained(models[TASK], export=True, auto_cast="none", optlevel=2, **TEXT, **ours, **places)
    assert compiles(places) == before
    assert theirs._release.folder == same._release.folder


def test_a_task_may_be_said_by_any_name_that_fits_the_class(models, places):
    before = compiles(places)
    CLASS.from_pretrained(models[TASK], export=True, task=TASK, **TEXT, **places)
    kwargs = {"batch_size": 2, "num_beams": 2, "sequence_length": 32, "task": "automatic-speech-recognition", **places}
    neuronbuild.NeuronModelForSpeechSeq2Seq.from_pretrained(models["speech-seq2seq"], export=True, **kwargs)
    assert compiles(places) == before


@pytest.mark.parametrize(
    ("name", "task", "fitting"),
    [
        ("NeuronModelForSequenceClassification", "fill-mask", "NeuronModelForMaskedLM"),
        ("NeuronModelForCTC", None, "NeuronModelForSpeechSeq2Seq"),
    ],
)
def test_a_task_of_another_class_is_refused_before_anything_is_compiled(models, places, name, task, fitting):
    before = compiles(places)
    model = models[TASK if task else "speech-seq2seq"]
    with pytest.raises(UsageError, match=f"; use {fitting}"):
        getattr(neuronbuild, name).from_pretrained(model, export=True, task=task, batch_size=9, **places)
    assert compiles(places) == before


def test_a_list_of_sizes_is_a_grid(models, places):
    model = neuronbuild.NeuronModelForFeatureExtraction.from_pretrained(
        models["feature-extraction"], export=True, batch_size=1, sequence_length=[8, 32], dynamic_batch_size=True, **places
    )
    assert model.shapes == [{"batch_size": 1, "sequence_length": length} for length in (8, 32)]
    assert model(**random_inputs(5, 20)).pooler_output.shape == (5, 32)


def test_a_fine_tune_at_the_same_place_gets_its_own_answers(models, places, tmp_path):
    model = copy_model(models[TASK], tmp_path / "model")
    first = CLASS.from_pretrained(model, export=True, warm=True, **TEXT, **places)
    tuned = copy_model(models[TASK], tmp_path / "tuned", train)
    (model / "model.safetensors").write_bytes((tuned / "model.safetensors").read_bytes())
    second = CLASS.from_pretrained(model, export=True, **TEXT, **places)
    inputs = random_inputs(2, 16)
    with torch.no_grad():
        eager = [
            transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()(**inputs).logits
            for folder in (models[TASK], tuned)
        ]
    assert torch.allclose(first(**inputs).logits, eager[0], atol=1e-4)
    assert torch.allclose(second(**inputs).logits, eager[1], atol=1e-4)


def test_two_calls_that_differ_dont_share_a_folder(models, places):
    one = CLASS.from_pretrained(models[TASK], export=True, **TEXT, **places)
    before = contents(one._release.folder)
    other = CLASS.from_pretrained(models[TASK], export=True, dynamic_batch_size=True, **TEXT, **places)
    assert other._release.folder != one._release.folder
    assert contents(one._release.folder) == before


def recipe(model: str = "org/some-model", **arguments):
    return make_recipe(model, TASK, arguments).recipe


@pytest.mark.parametrize("lengths", [range(8, 17, 8), {16, 8}, (8, 16), frozenset({8, 16})])
def test_sizes_come_in_whatever_python_keeps_several_in(lengths):
    made, listed = (recipe(batch_size=1, sequence_length=each) for each in (lengths, [8, 16]))
    assert made == listed


@pytest.mark.parametrize("value", [object(), {8, "16"}, [object()]])
def test_what_no_recipe_could_say_is_refused(value):
    with pytest.raises(UsageError, match="from_pretrained: a value is of a kind"):
        recipe(batch_size=1, sequence_length=value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jobs": "x"}, "jobs: should be a valid integer"),
        ({"jobs": 0}, "jobs: should be greater than or equal to 1"),
        ({"timeout": "1"}, "timeout: should be a valid number"),
        ({"isa": "foo"}, "unknown isa 'foo'; known: x86-64-v3, x86-64-v4"),
        ({"cache": 5}, "cache: should be a valid string"),
    ],
)
def test_settings_that_cant_be_are_refused_before_anything_is_looked_at(arguments, words):
    with pytest.raises(UsageError, match=words):
        export_model("org/some-model", TASK, {"batch_size": 1, "sequence_length": 8, **arguments})


def test_keywords_come_to_a_recipe():
    made = recipe(
        batch_size=1, sequence_length=[8, 16], auto_cast="matmul", auto_cast_type="fp16", dtype="float16", revision="v1"
    )
    assert (made.model, made.task, made.platforms, made.revision) == ("org/some-model", TASK, ("cpu",), "v1")
    assert made.shapes.axes == {"batch_size": (1,), "sequence_length": (8, 16)}
    assert (made.compiler.auto_cast, made.compiler.auto_cast_type, made.dtype) == ("matmul", "fp16", "float16")


def test_keywords_that_say_nothing_are_left_out():
    assert recipe(batch_size=1, auto_cast=None, revision=None) == recipe(batch_size=1)


def test_the_same_words_give_the_same_name_and_other_words_another():
    names = [
        recipe(batch_size=1).name,
        recipe(batch_size=1).name,
        recipe(batch_size=2).name,
        recipe("other", batch_size=1).name,
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert names[0].startswith("some-model-")


WORDS = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())
TEXTS = {"<torch.float32>": torch.float32, "<HUGGINGFACE_HUB_CACHE>": None}
EXPORTING = [
    (call, name, TEXTS.get(default, default) if isinstance(default, str) else default)
    for call, keywords in WORDS["calls"].items()
    if call.endswith(("._export", "get_neuron_config", "OptimizedModel.from_pretrained"))
    for name, default in keywords.items()
    if name != "export"
]
DIFFER = {"auto_cast"}
"""Keywords whose defaults say something else than ours, in some of its classes."""

NEVER_MEANT = {("force_download", True), ("load_weights", False)}
"""Defaults of inner calls: what its users call always says the other."""


@pytest.mark.parametrize("platform", ["cpu", "inf2"])
@pytest.mark.parametrize(("call", "name", "default"), EXPORTING)
def test_every_keyword_with_which_optimum_neuron_exports_is_taken_at_its_default(call, name, default, platform):
    if (name, default) in NEVER_MEANT:
        return
    made = make_recipe("org/some-model", TASK, settle("from_pretrained", {name: default, "platform": platform})).recipe
    plain = recipe(platform=platform)
    assert (made.model_copy(update={"name": plain.name, "weights": plain.weights}) == plain) is (
        default is None or name not in DIFFER
    )
    assert made.weights in {None, "inline"}


@pytest.mark.parametrize("name", [*WORDS["shapes"], *WORDS["adapters"]])
def test_every_shape_and_adapter_of_its_may_be_none(name):
    assert make_recipe("org/some-model", TASK, settle("from_pretrained", {name: None})).recipe == recipe()


def test_defaults_that_say_something_else_here_are_in_the_documents():
    page = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    told = page.partition("## Coming from optimum-neuron")[2].partition("\n## ")[0].partition("Defaults")[2]
    options = {name.lstrip("-").replace("-", "_"): default for name, default in WORDS["options"].items()}
    differ = {"inline_weights_to_neff"} if WORDS["options"]["--inline-weights-neff"] is False else set()
    for name, default in [*options.items(), *((name, default) for _, name, default in EXPORTING)]:
        if name not in {*ARGUMENTS, *IDLE} or (name, default) in NEVER_MEANT or default == "auto":
            continue
        made = make_recipe("org/some-model", TASK, settle("from_pretrained", {name: default, "platform": "inf2"})).recipe
        if made.model_copy(update={"name": "", "weights": made.weights or "inline"}) != Recipe(
            model=made.model, task=TASK, platforms=("inf2",), weights="inline"
        ):
            differ.add(name)
    assert differ == {*DIFFER, "inline_weights_to_neff"}
    assert [name for name in differ if f"`{name}`" not in told] == []


@pytest.mark.parametrize("level", [1, 2, 3])
def test_levels_may_be_text_as_in_optimum_neuron(level):
    assert recipe(batch_size=1, optlevel=str(level)) == recipe(batch_size=1, optlevel=level)


@pytest.mark.parametrize("word", ["bf16", "bfloat16", torch.bfloat16])
def test_a_dtype_may_be_said_in_each_of_optimum_neurons_ways(word):
    assert recipe(batch_size=1, torch_dtype=word).dtype == "bfloat16"


def test_weights_in_the_neff_say_nothing_where_there_is_none():
    assert recipe(batch_size=1, inline_weights_to_neff=True) == recipe(batch_size=1)
    assert recipe(batch_size=1, inline_weights_to_neff=True, platform="inf2").weights == "inline"
    assert recipe(batch_size=1, inline_weights_to_neff=False, instance_type="inf2").weights == "separate"


def test_local_files_are_for_models_that_are_looked_for_and_say_nothing_of_the_recipe():
    assert recipe(batch_size=1, local_files_only=True) == recipe(batch_size=1)


def test_with_local_files_alone_the_hub_isnt_asked_for_a_model(tmp_path, monkeypatch, places):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        with pytest.raises(SourceError, match="local_files_only is set, and the local cache has no revision 'main' of it"):
            CLASS.from_pretrained("org/some-model", export=True, local_files_only=True, **TEXT, **places)
    assert hub.requests == []


def test_an_unknown_keyword_is_refused_though_it_says_nothing():
    with pytest.raises(UsageError, match="unknown argument 'sequence_lenght'"):
        recipe(batch_size=1, sequence_lenght=None)


@pytest.mark.parametrize("model", ["./", "..", "package:module/sub", "/abs/päth/", "~"])
def test_any_reference_gives_a_name_that_can_be_a_folder(model):
    assert recipe(model, batch_size=1).name.isascii()


def test_a_folder_that_is_there_is_a_folder_whatever_it_looks_like(tmp_path, monkeypatch):
    (tmp_path / "org/some-model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert recipe(batch_size=1).model == str(tmp_path / "org/some-model")


@pytest.mark.parametrize(
    ("word", "near"),
    [("sequence_lenght", "sequence_length"), ("autocast", "auto_cast"), ("torch_dtyp", "torch_dtype"), ("cach", "cache")],
)
def test_an_unknown_keyword_is_told_with_the_nearest(models, word, near):
    with pytest.raises(UsageError, match=f"from_pretrained: unknown argument '{word}'; did you mean '{near}'?"):
        CLASS.from_pretrained(models[TASK], export=True, **{word: 1})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({**TEXT, "auto_cast": "sometimes"}, "unknown compiler.auto_cast 'sometimes'"),
        ({"batch_size": 0, "sequence_length": 8}, "shapes.batch_size"),
        ({"batch_size": 1}, "missing: sequence_length"),
        ({**TEXT, "num_choices": 2}, "unknown axis for text-classification 'num_choices'"),
        ({**TEXT, "weights": "inline"}, "`weights: inline` isn't supported on cpu"),
        ({**TEXT, "tensor_parallel_size": 2}, "num_cores is for Neuron platforms"),
        ({**TEXT, "sequence_length": 1000}, "longer than this model can read: 66 tokens"),
        ({**TEXT, "auto_cast_type": "fp32"}, "auto_cast_type alone casts nothing for text-classification"),
        ({**TEXT, "auto_cast": "none", "auto_cast_type": "bf16"}, "nothing is cast with auto_cast: none"),
        (
            {**TEXT, "auto_cast": "none", "auto_cast_type": "fp32", "torch_dtype": "bfloat16"},
            "and dtype that they are bfloat16",
        ),
        ({**TEXT, "platform": "gpu"}, "unknown platform 'gpu'"),
    ],
)
def test_a_value_that_cant_be_is_told(models, places, arguments, words):
    with pytest.raises(RecipeError) as caught:
        CLASS.from_pretrained(models[TASK], export=True, **arguments, **places)
    assert words in str(caught.value)


def test_a_platform_that_cant_be_compiled_for_is_told(models, places):
    with pytest.raises(ToolchainError, match="there is no Neuron SDK here"):
        CLASS.from_pretrained(models[TASK], export=True, platform="inf2", **TEXT, **places)


def test_a_model_that_isnt_there_is_told(places):
    with pytest.raises(SourceError, match="/nowhere"):
        CLASS.from_pretrained("/nowhere", export=True, **TEXT, **places)


def test_a_compile_that_fails_is_told_with_its_log(models, places, tmp_path):
    model = copy_model(models[TASK], tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_attention_heads": 5}))
    with pytest.raises(ToolchainError, match="batch_size=2, sequence_length=16: transformers can't make this model") as caught:
        CLASS.from_pretrained(model, export=True, **TEXT, **places)
    assert Path(caught.value.hint.removeprefix("the log is in ")).is_file()


EXPORT = """
import sys, neuronbuild
model = neuronbuild.NeuronModelForSequenceClassification.from_pretrained(
    sys.argv[1], export=True, batch_size=1, sequence_length=12, optlevel=1, cache=sys.argv[2], output=sys.argv[3]
)
model.warm()
print(model._release.folder)
"""


def export_eight_times(model, place) -> str:
    """Have eight processes export a model at once and open all of it; gives the release's folder, as each of them says."""
    command = [sys.executable, "-c", EXPORT, str(model), str(place / "store"), str(place / "out")]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    said = [process.communicate(timeout=LONG) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    assert len(compiles({"cache": place / "store"})) == 1
    [folder] = {out.strip() for out, _ in said}
    return folder


@pytest.mark.soak
def test_eight_processes_that_export_at_once_over_an_empty_store_all_get_a_model_that_runs(models, tmp_path):
    release = read_release(Path(export_eight_times(models[TASK], tmp_path)))
    shutil.rmtree(tmp_path / "store")
    assert export_eight_times(models[TASK], tmp_path) == str(release.folder)
    release.refuse_replaced()


def test_what_only_the_settings_say_of_the_code_is_in_the_releases_name():
    plain, other = recipe(batch_size=1).name, recipe(batch_size=1, isa="x86-64-v3").name
    assert plain != other


@pytest.mark.parametrize(
    ("wrong", "model", "right"),
    [
        ("NeuronModelForCausalLM", "fill-mask", "fill-mask: use NeuronModelForMaskedLM"),
        ("NeuronModelForMaskedLM", "text-generation", "text-generation: use NeuronModelForCausalLM"),
        ("NeuronModelForSpeechSeq2Seq", TASK, "text-classification: use NeuronModelForSequenceClassification"),
        ("NeuronModelForImageClassification", "sentence-similarity", "sentence-similarity: use NeuronSentenceTransformers"),
    ],
)
def test_a_class_that_cant_be_compiled_from_a_model_names_the_one_that_can(models, wrong, model, right):
    with pytest.raises(UsageError, match="isn't supported for") as caught:
        getattr(neuronbuild, wrong).from_pretrained(models[model], export=True, **TEXT)
    assert f"its config tells {right}" in str(caught.value)


def test_a_model_that_only_optimum_neuron_exports_is_for_calls_that_delegate_it(tmp_path):
    own = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 4, "dtype": "bfloat16"}
    (tmp_path / "config.json").write_text(json.dumps({**DECODER, **own}))
    arguments = {"platform": "trn1", **TEXT}
    refuse_misfit(str(tmp_path), "text-generation", {**arguments, "num_cores": 2})
    refuse_misfit(str(tmp_path), "text-generation", {**arguments, "toolchain": "optimum"})
    with pytest.raises(UsageError, match="mixtral"):
        refuse_misfit(str(tmp_path), "text-generation", arguments)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("cache_dir", "the store is `cache`"),
        ("disable_neuron_cache", "what is compiled is always kept"),
        ("compiler_workdir", "leave it out"),
        ("output_hidden_states", "gives its task's outputs only"),
        ("image_size", "here it is `height` and `width`"),
        ("tp_degree", "here it is `num_cores`"),
    ],
)
def test_a_word_of_optimum_neurons_is_told_with_what_to_do(models, word, text):
    with pytest.raises(UsageError, match=f"unknown argument '{word}'") as caught:
        make_recipe(str(models[TASK]), TASK, {**TEXT, word: 1})
    assert text in str(caught.value)
