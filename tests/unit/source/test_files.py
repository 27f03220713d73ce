from __future__ import annotations

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import MODELS, NETWORK, PIPELINE, TRANSFORMERS, adapter, layout_of, select_files
from neuronbuild.source.local import FolderSource
from neuronbuild.tasks import preprocessing_files
from tests.conftest import MESSAGES, write_chat_templates, write_tokenizer

OF_A_MODEL = [
    "1_Pooling/config.json",
    "LICENSE.txt",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "modules.json",
    "preprocessor_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
]
BESIDE_A_MODEL = [
    ".gitattributes",
    "1_Pooling/deep/config.json",
    "README.md",
    "adapter_model.safetensors",
    "flax_model.msgpack",
    "model.onnx",
    "onnx/config.json",
    "onnx/model.safetensors",
    "optimizer.pt",
    "pictures/cat.png",
    "rust_model.ot",
    "tf_model.h5",
    "train.py",
    "training_args.bin",
]


def test_everything_of_a_model_is_selected():
    assert select_files(OF_A_MODEL, code=False) == OF_A_MODEL


@pytest.mark.parametrize("name", BESIDE_A_MODEL)
def test_what_lies_beside_a_model_is_left_out(name):
    assert select_files([name], code=False) == []


def test_pickled_weights_are_left_out_where_safetensors_exist():
    assert select_files(["model.safetensors", "pytorch_model.bin"], code=False) == ["model.safetensors"]


def test_pickled_weights_are_taken_where_there_is_nothing_better():
    assert select_files(["pytorch_model.bin", "tf_model.h5"], code=False) == ["pytorch_model.bin"]


@pytest.mark.parametrize(("stem", "suffix"), [("model", "safetensors"), ("pytorch_model", "bin")])
def test_shards_come_with_their_index(stem, suffix):
    shards = [f"{stem}-00001-of-00002.{suffix}", f"{stem}-00002-of-00002.{suffix}", f"{stem}.{suffix}.index.json"]
    assert select_files(shards, code=False) == shards


def test_code_is_selected_only_where_it_is_trusted():
    names = ["config.json", "modeling_own.py"]
    assert select_files(names, code=False) == ["config.json"]
    assert select_files(names, code=True) == names


def test_no_files_select_nothing():
    assert select_files([], code=True) == []


@given(st.permutations(OF_A_MODEL + BESIDE_A_MODEL))
def test_the_order_of_the_names_makes_no_difference(names):
    assert select_files(names, code=False) == OF_A_MODEL


@given(st.lists(st.sampled_from([*OF_A_MODEL, *BESIDE_A_MODEL, "pytorch_model.bin"])), st.booleans())
def test_selecting_again_changes_nothing(names, code):
    once = select_files(names, code=code)
    assert set(once) <= set(names)
    assert select_files(once, code=code) == once


PREPROCESSING = [
    *preprocessing_files.VOCABULARIES, *preprocessing_files.SETTINGS, "additional_chat_templates/rag.jinja",
    "additional_chat_templates/tool use.jinja", "alphabet.json", "language_model/5gram.bin", "language_model/unigrams.txt",
    "mistral.tekken.json", "qformer_tokenizer/tokenizer.json", "qformer_tokenizer/vocab.txt", "tokenizer.4.0.0.json",
    "tokenizer.model.v3", "vocabulary.model",
]  # fmt: skip


@pytest.mark.parametrize("name", PREPROCESSING)
def test_whatever_tokenizers_and_processors_read_is_selected(name):
    assert select_files([name], code=False) == [name]


def test_a_language_model_of_a_processor_is_no_weight_of_the_model():
    digest = digest_bytes(b"")
    snapshot = Snapshot("m", None, {"language_model/5gram.bin": digest, "pytorch_model.bin": digest})
    assert list(snapshot.weights) == ["pytorch_model.bin"]


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "pytorch_model-00001-of-00002.bin"])
def test_shards_without_their_index_are_no_weights(name):
    assert select_files([name, "pytorch_model.bin"], code=False) == ["pytorch_model.bin"]


def test_every_chat_template_is_that_of_the_model(tmp_path):
    folder, copy = make_chat_model(tmp_path / "model"), tmp_path / "copy"
    for name in FolderSource(tmp_path, DigestMemory(None)).resolve(str(folder), None).snapshot.files:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((folder / name).read_bytes())
    ours, theirs = (transformers.AutoTokenizer.from_pretrained(each) for each in (copy, folder))
    assert set(ours.chat_template) == {"default", "rag", "tool use"}
    for name in theirs.chat_template:
        said = [each.apply_chat_template(MESSAGES, tokenize=False, chat_template=name) for each in (ours, theirs)]
        assert said[0] == said[1] != name


def make_chat_model(folder):
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    write_tokenizer(folder)
    write_chat_templates(folder)
    return folder


OF_A_PIPELINE = [
    "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors",
    "tokenizer/merges.txt", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "unet/config.json",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors", "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json", "vae/config.json", "vae/diffusion_pytorch_model.bin",
]  # fmt: skip
OF_OTHERS = [
    "README.md", "sd.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin",
    "text_encoder/model.fp16.safetensors", "text_encoder/pytorch_model.bin", "unet/deep/config.json",
]  # fmt: skip


def test_a_pipeline_is_its_parts_each_by_its_own_best_weights():
    assert select_files(OF_A_PIPELINE + OF_OTHERS, code=False, layout=PIPELINE) == OF_A_PIPELINE


def test_a_controlnet_is_one_network():
    names = ["config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "images/bird.png"]
    assert select_files(names, code=False, layout=NETWORK) == names[:2]


def test_a_lora_is_one_file():
    assert select_files(["a.safetensors", "b.safetensors", "README.md"], code=False, layout=adapter("b.safetensors")) == [
        "b.safetensors"
    ]


def test_a_layout_is_told_by_its_document():
    assert layout_of(["config.json", "model_index.json"], MODELS) is PIPELINE
    assert layout_of(["config.json"], MODELS) is TRANSFORMERS
    assert layout_of([], MODELS) is TRANSFORMERS
