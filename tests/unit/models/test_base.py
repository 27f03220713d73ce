from __future__ import annotations

import pytest
import torch
from huggingface_hub import constants

import neuronbuild
from neuronbuild.errors import InputError, ReleaseError, SourceError, UsageError
from neuronbuild.models import MODEL_CLASSES, NeuronModel, open_model
from neuronbuild.release.folder import write_release
from neuronbuild.runtime import reader
from tests.doubles.hub import GOOD_TOKEN, HubDouble, lead_client_to
from tests.flows.stores import contents
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import no_job
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, random_inputs, read_index


@pytest.fixture(scope="module")
def model(built):
    return neuronbuild.NeuronModelForMaskedLM.from_pretrained(built.releases["fill-mask"])


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "~nobody-here/x"])
def test_a_name_that_no_folder_can_have_is_no_crash(name):
    with pytest.raises((ReleaseError, SourceError)):
        neuronbuild.NeuronModelForFeatureExtraction.from_pretrained(name)


def test_a_class_that_cant_be_warmed_is_no_model():
    class Half(NeuronModel):
        task = "fill-mask"

    with pytest.raises(TypeError, match="warm"):
        Half(None)


def test_a_release_loads_by_its_folder_as_text_too(built):
    model = neuronbuild.NeuronModelForMaskedLM.from_pretrained(str(built.releases["fill-mask"]))
    assert model(**random_inputs(1, 4)).logits.shape == (1, 4, 120)


@pytest.mark.parametrize("task", MODEL_CLASSES)
def test_the_wrong_class_names_the_right_one(built, task):
    wrong = next(each for name, each in MODEL_CLASSES.items() if name != task)
    with pytest.raises(ReleaseError, match=f"it was compiled for {task}") as caught:
        wrong.from_pretrained(built.releases[task])
    assert caught.value.hint == f"load it with {MODEL_CLASSES[task].__name__}"


@pytest.mark.parametrize("arguments", [{"batch_size": 1}, {"auto_cast": "all", "torch_dtype": torch.float16}, {"no_such": 1}])
def test_what_only_a_compile_can_use_is_refused_without_one(built, arguments):
    with pytest.raises(UsageError, match=f"{', '.join(arguments)} can't be given without export=True"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(built.releases["fill-mask"], **arguments)


@pytest.mark.parametrize("place", ["./nowhere", "/nowhere", "~/nowhere", "a/b/c"])
def test_a_path_that_leads_nowhere_is_no_release(place):
    with pytest.raises(ReleaseError, match="there is no such folder"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(place)


@pytest.mark.parametrize("name", ["nobody/no-such-release", "no such name!"])
def test_a_hub_name_that_cant_be_reached_is_told_with_what_to_try(name, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # its client would try again for half a minute
    with pytest.raises(SourceError, match="no such release on the Hub that can be reached") as caught:
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(name)
    assert "export=True" in caught.value.hint


@pytest.fixture
def fetched(built, tmp_path, monkeypatch):
    """A release in the Hub's local cache, which is all that there is of the Hub: links to blobs."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repo, commit = tmp_path / "models--org--release", "a" * 40
    for name, data in contents(built.releases["fill-mask"]).items():
        blob, place = repo / "blobs" / name.replace("/", "-"), repo / "snapshots" / commit / name
        for file in (blob, place):
            file.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        place.symlink_to(blob)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text(commit)


def test_a_release_that_the_hub_has_loads_by_its_name_and_saves_whole(model, fetched, tmp_path):
    from_hub = neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/release")
    inputs = random_inputs(2, 16)
    assert torch.equal(from_hub(**inputs).logits, model(**inputs).logits)
    from_hub.save_pretrained(tmp_path / "copy")
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]
    assert contents(tmp_path / "copy") == contents(model._release.folder)


def test_a_release_that_was_pushed_loads_from_the_hub(model, tmp_path, monkeypatch):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        address = model.push_to_hub("org/mine", token=GOOD_TOKEN)
        assert address.startswith(f"{hub.endpoint}/org/mine/commit/")
        model.push_to_hub("org/mine", token=GOOD_TOKEN)  # the repository is there by now
        again = neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/mine")
    inputs = random_inputs(2, 16)
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    commits = [path for path in hub.paths("POST") if "/commit/" in path]
    assert commits == ["/api/models/org/mine/commit/main"] * 2


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A loaded model whose release nothing was compiled for."""
    monkeypatch.setattr(reader, "check_host", lambda *_: None)
    request, store = made_request(tmp_path, trust_of(tmp_path))
    write_release(request, store, no_job)
    return open_model(request.folder)


def test_the_guide_of_optimum_neuron_saves_and_pushes_as_it_is_written(made, tmp_path, monkeypatch):
    folder = str(tmp_path / "a_local_path_for_compiled_neuron_model")
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
        made.save_pretrained(folder)
        made.push_to_hub(folder, repository_id="my-neuron-repo", use_auth_token=True)
        made.push_to_hub(folder, "my-neuron-repo", token=GOOD_TOKEN, private=None, revision=None, endpoint=None)
        made.push_to_hub(save_directory=folder, repository_id="org/mine", endpoint=hub.endpoint)
        made.save_pretrained(folder, push_to_hub=True, repository_id="org/saved", token=True)
    names = {repo: {*kept.commits[kept.refs["main"]]} for repo, kept in hub.repos.items()}
    assert names.keys() == {"somebody/my-neuron-repo", "org/mine", "org/saved"}
    assert all(each == {*contents(made._release.folder)} for each in names.values())


@pytest.mark.parametrize(("alter", "words"), [("nothing", "there is no release in it"), ("other", "it holds another release")])
def test_a_folder_that_the_release_wasnt_saved_to_isnt_pushed(made, tmp_path, alter, words):
    folder = tmp_path / "copy"
    if alter == "other":
        made.save_pretrained(folder)
        alter_index(folder, padding_matters=True)
    with pytest.raises(ReleaseError, match=words) as caught:
        made.push_to_hub(folder, repository_id="org/mine", token=GOOD_TOKEN)
    assert "save_pretrained()" in caught.value.hint


def test_words_about_pushing_are_refused_where_nothing_is_pushed(made, tmp_path):
    with pytest.raises(UsageError, match="save_pretrained: unknown argument 'repository_id'; call push_to_hub"):
        made.save_pretrained(tmp_path / "copy", repository_id="org/mine")
    made.save_pretrained(tmp_path / "copy", push_to_hub=False)


def test_a_release_loads_with_the_keywords_of_optimum_neuron_that_ask_for_nothing(made):
    kind, folder = type(made), made._release.folder
    idle = {"revision": "main", "force_download": False, "subfolder": "", "token": None, "compiler_args": {}, "config": None}
    assert kind.from_pretrained(folder, export=False, **idle)._release.index == made._release.index
    for here in (True, False):
        assert kind.from_pretrained(folder, local_files_only=here, task=None)._release.folder == folder


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"force_download": True}, "unknown argument 'force_download'; what was downloaded is checked by digest"),
        ({"subfolder": "x"}, "unknown argument 'subfolder'; name the folder itself"),
        ({"file_name": "x.neuron"}, "unknown argument 'file_name'; a release says where its files are"),
        ({"trust_remote_code": True}, "unknown argument 'trust_remote_code'; no code of a model is run"),
        ({"token": "hf_secret"}, "unknown argument 'token'; set HF_TOKEN"),
        ({"input_shapes": {"batch_size": 1}}, "input_shapes can't be given without export=True"),
        ({"revision": "v1"}, "only releases on the Hub have revisions"),
        ({"no_such": None}, "no_such can't be given without export=True"),
    ],
)
def test_a_keyword_that_would_say_something_is_refused_without_its_value(made, keywords, words):
    with pytest.raises(UsageError, match=words) as caught:
        type(made).from_pretrained(made._release.folder, **keywords)
    assert "hf_secret" not in str(caught.value)


def test_a_push_that_the_hub_refuses_is_told(model, tmp_path, monkeypatch):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        with pytest.raises(SourceError, match="org/mine: the release can't be pushed") as caught:
            model.push_to_hub("org/mine", token="hf_wrong")
    assert "HF_TOKEN" in caught.value.hint


def test_local_files_alone_are_enough_where_the_hub_isnt_to_be_asked(fetched, tmp_path, monkeypatch):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        model = neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/release", local_files_only=True, revision="main")
        assert model.shapes
        with pytest.raises(SourceError, match="no such release in the Hub's local cache"):
            neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/other", local_files_only=True)
    assert hub.requests == []


def test_a_revision_that_isnt_there_is_told(fetched):
    with pytest.raises(SourceError, match="org/release"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained("org/release", revision="v9")


def test_a_model_that_isnt_compiled_is_no_release(models):
    with pytest.raises(ReleaseError, match=r"it has no neuronbuild\.json"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(models["fill-mask"])


def test_it_is_called_as_in_transformers(model):
    inputs = random_inputs(2, 8)
    named = model(**inputs).logits
    assert torch.equal(model(inputs["input_ids"], **{k: v for k, v in inputs.items() if k != "input_ids"}).logits, named)
    assert torch.equal(model.forward(**inputs, return_dict=True)[0], named)
    assert torch.equal(model(**inputs, return_dict=None).to_tuple()[0], named)


def test_what_cant_be_had_is_refused_by_name(model):
    with pytest.raises(InputError, match="return_dict=False is not supported"):
        model(**random_inputs(1, 4), return_dict=False)
    with pytest.raises(InputError, match="unknown input output_attentions"):
        model(**random_inputs(1, 4), output_attentions=True)
    with pytest.raises(InputError, match="unknown input labels"):
        model(**random_inputs(1, 4), labels=torch.ones((1, 4), dtype=torch.int64))


def test_it_tells_its_shapes_device_and_config(built):
    model = neuronbuild.NeuronModelForFeatureExtraction.from_pretrained(built.releases["grid"])
    assert model.shapes[0] == {"batch_size": 1, "sequence_length": 8}
    assert (len(model.shapes), model.longest, model.device) == (3, 32, torch.device("cpu"))
    assert (model.config.model_type, model.config.hidden_size) == ("bert", 32)
    assert model.config is model.config


def test_the_longest_text_is_that_of_the_graphs_that_read_or_write_any(built):
    assert neuronbuild.open_model(built.releases["speech-seq2seq"]).longest == 32
    with pytest.raises(UsageError, match="a model for image-classification has no longest text"):
        _ = neuronbuild.open_model(built.releases["image-classification"]).longest


def test_warming_loads_everything_before_the_first_call(built):
    model = neuronbuild.NeuronModelForFeatureExtraction.from_pretrained(built.releases["grid"], warm=True)
    assert len(model._runner._sessions._sessions) == 3


def test_the_tokenizer_comes_with_the_release(model):
    assert model.tokenizer("the cat").input_ids == [2, model.tokenizer.vocab["the"], model.tokenizer.vocab["cat"], 3]
    assert model.tokenizer is model.tokenizer


def test_a_release_without_a_tokenizer_runs_and_says_what_it_lacks(built, tmp_path):
    release = copy_release(built.releases["fill-mask"], tmp_path)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (release / name).unlink()
    files = tuple(file for file in read_index(release).files if file.path not in {"vocab.txt", "tokenizer_config.json"})
    alter_index(release, files=files)
    model = neuronbuild.NeuronModelForMaskedLM.from_pretrained(release)
    assert model(**random_inputs(1, 4)).logits.shape == (1, 4, 120)
    with pytest.raises(ReleaseError, match="it carries no tokenizer") as caught:
        _ = model.tokenizer
    assert "add the tokenizer's files" in caught.value.hint


@pytest.mark.parametrize("damage", ["{", '{"tokenizer_class": "FlaubertTokenizer"}', '{"tokenizer_class": 3}', "[]"])
def test_a_tokenizer_that_cant_be_loaded_is_told_in_a_line(built, tmp_path, damage):
    release = copy_release(built.releases["fill-mask"], tmp_path)
    (release / "tokenizer_config.json").write_text(damage)
    list_anew(release, "tokenizer_config.json")
    with pytest.raises(ReleaseError, match=r"its tokenizer can't be loaded: .") as caught:
        _ = neuronbuild.NeuronModelForMaskedLM.from_pretrained(release).tokenizer
    assert "\n" not in caught.value.message


def test_a_saved_copy_answers_as_the_original_does(model, tmp_path):
    model.save_pretrained(tmp_path / "deep/copy")
    assert contents(tmp_path / "deep/copy") == contents(model._release.folder)
    inputs = random_inputs(2, 16)
    assert torch.equal(open_model(tmp_path / "deep/copy")(**inputs).logits, model(**inputs).logits)


def test_saving_into_an_empty_folder_is_fine(model, tmp_path):
    model.save_pretrained(str(tmp_path))
    assert (tmp_path / "neuronbuild.json").is_file()


def test_saving_over_something_else_is_refused(model, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ReleaseError, match="the folder isn't empty"):
        model.save_pretrained(tmp_path)
    with pytest.raises(ReleaseError, match="can't be written"):
        model.save_pretrained(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_release_that_was_altered_since_it_was_loaded_is_not_given_away(made, tmp_path):
    folder = made._release.folder
    made.save_pretrained(tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folder)
    (tmp_path / "private").write_text("my key")
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to(tmp_path / "private")
    with pytest.raises(ReleaseError, match=r"vocab\.txt was altered"):
        made.save_pretrained(tmp_path / "another")
    with pytest.raises(ReleaseError, match=r"vocab\.txt was altered"):
        made.push_to_hub("org/mine", token=GOOD_TOKEN)
    assert not (tmp_path / "another").exists()


def test_a_core_is_for_releases_for_neuron_devices(built):
    with pytest.raises(UsageError, match="core is for releases for Neuron devices"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(built.releases["fill-mask"], core=0)


def test_a_folder_has_no_revisions(built):
    with pytest.raises(UsageError, match="only releases on the Hub have revisions"):
        neuronbuild.NeuronModelForMaskedLM.from_pretrained(built.releases["fill-mask"], revision="v1")


def test_a_model_shows_its_release_its_task_and_its_shapes(model, built):
    folder = built.releases["fill-mask"]
    assert repr(model) == f"NeuronModelForMaskedLM({str(folder)!r}: fill-mask on cpu; batch_size=2, sequence_length=16)"
    grid = open_model(built.releases["grid"])
    assert repr(grid).endswith("; batch_size=4, sequence_length=32)")


def test_a_release_is_saved_over_itself_and_over_another(model, built, tmp_path):
    own = neuronbuild.NeuronModelForMaskedLM.from_pretrained(copy_release(built.releases["fill-mask"], tmp_path))
    before = contents(own._release.folder)
    own.save_pretrained(own._release.folder)
    assert contents(own._release.folder) == before
    open_model(built.releases["text-classification"]).save_pretrained(own._release.folder)
    assert contents(own._release.folder) == contents(built.releases["text-classification"])
