from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.artifact.snapshot import Model, Snapshot, is_weight_index, with_parts
from neuronbuild.digest import Digest, digest_json
from neuronbuild.errors import SourceError

FILES = {
    "config.json": Digest("1" * 64, 10),
    "model-00001-of-00002.safetensors": Digest("2" * 64, 1000),
    "model-00002-of-00002.safetensors": Digest("3" * 64, 1000),
    "model.safetensors.index.json": Digest("4" * 64, 20),
    "tokenizer.json": Digest("5" * 64, 30),
}
SNAPSHOT = Snapshot("org/name", "a" * 40, FILES)


def model_in(folder, files):
    """A model of a folder, some of whose files belong to its snapshot."""
    return Model(Snapshot("./model", None, dict.fromkeys(files, Digest("0" * 64, 1))), {}, lambda path: folder / path)


def test_the_order_of_files_makes_no_difference():
    assert replace(SNAPSHOT, files=dict(reversed(FILES.items()))).digest == SNAPSHOT.digest


@pytest.mark.parametrize("words", [{"license": "mit"}, {"gated": True}])
def test_what_only_the_hub_says_is_no_part_of_the_digest(words):
    assert replace(SNAPSHOT, **words).digest == SNAPSHOT.digest


@pytest.mark.parametrize(
    "change",
    [
        {"model": "org/other"},
        {"revision": None},
        {"files": {**FILES, "config.json": Digest("9" * 64, 10)}},
        {"files": {**FILES, "config.json": Digest("1" * 64, 11)}},
        {"files": {**FILES, "more.json": Digest("6" * 64, 1)}},
    ],
)
def test_another_model_has_another_digest(change):
    assert replace(SNAPSHOT, **change).digest != SNAPSHOT.digest


def test_the_stored_form_says_all_of_it():
    assert replace(SNAPSHOT, files={"a": Digest("1" * 64, 10)}, license="mit").as_json() == {
        "format": 1,
        "model": "org/name",
        "revision": "a" * 40,
        "files": {"a": {"sha256": "1" * 64, "size": 10}},
        "license": "mit",
        "gated": False,
    }


def test_the_digest_can_be_had_from_the_stored_form():
    stored = SNAPSHOT.as_json()
    assert digest_json({key: value for key, value in stored.items() if key not in {"license", "gated"}}) == SNAPSHOT.digest


def test_weights_are_the_shards_without_their_index():
    assert list(SNAPSHOT.weights) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def test_pickled_weights_are_weights():
    files = {"pytorch_model.bin": Digest("1" * 64, 1), "pytorch_model.bin.index.json": Digest("2" * 64, 1)}
    assert list(replace(SNAPSHOT, files=files).weights) == ["pytorch_model.bin"]


def test_a_json_file_is_read_through_the_model(tmp_path):
    (tmp_path / "config.json").write_text('{"a": "é"}', encoding="utf-8")
    assert model_in(tmp_path, ["config.json"]).read_json("config.json") == {"a": "é"}


def test_a_json_list_is_read_as_the_value_of_no_name(tmp_path):
    (tmp_path / "modules.json").write_text("[1, 2]")
    assert model_in(tmp_path, ["modules.json"]).read_json("modules.json") == {"": [1, 2]}


def test_a_file_outside_the_snapshot_is_not_read(tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    assert model_in(tmp_path, []).read_json("secret.json") is None


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_a_json_file_that_cant_be_read_is_told(tmp_path, text):
    (tmp_path / "modules.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError, match=r"its modules\.json can't be read") as caught:
        model_in(tmp_path, ["modules.json"]).read_json("modules.json")
    assert caught.value.hint


def part(name, commit, licence="mit", **more):
    snapshot = Snapshot(name, commit, {"w.safetensors": Digest("7" * 64, 7)}, licence, **more)
    return Model(snapshot, {}, lambda path: f"{name}:{path}")


def test_parts_are_folders_of_one_snapshot():
    main = Model(replace(SNAPSHOT, license="mit"), {"model_type": "m"}, lambda path: f"main:{path}", immutable=True)
    whole = with_parts(main, {"lora_0": part("org/ink", "c" * 40, "openrail", gated=True)})
    assert whole.snapshot.files["lora_0/w.safetensors"] == Digest("7" * 64, 7)
    assert (whole.open_file("lora_0/w.safetensors"), whole.open_file("config.json")) == (
        "org/ink:w.safetensors",
        "main:config.json",
    )
    assert (whole.snapshot.gated, whole.snapshot.license, whole.immutable) == (True, "mit and openrail", False)
    assert whole.parts[""] is main


def test_commits_are_those_that_there_are():
    main = Model(SNAPSHOT, {}, lambda path: path)
    whole = with_parts(main, {"lora_0": part("org/ink", "c" * 40), "controlnet_0": part("./edges", None)})
    assert whole.commits == {"": "a" * 40, "lora_0": "c" * 40}


def test_a_licence_that_one_part_doesnt_state_is_none():
    main = Model(replace(SNAPSHOT, license="mit"), {}, lambda path: path)
    assert with_parts(main, {"lora_0": part("org/ink", None, None)}).snapshot.license is None


def test_an_index_of_shards_is_told_in_any_folder():
    assert is_weight_index("unet/diffusion_pytorch_model.safetensors.index.json")
    assert not is_weight_index("model_index.json")
