from __future__ import annotations

import json

import pytest
import transformers
from transformers.utils import ADAPTER_CONFIG_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.quantization_config import QuantizationMethod

from neuronbuild.errors import SourceError
from neuronbuild.source.checkpoint import ADAPTER, refuse_config, refuse_files
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.files import NETWORK, PIPELINE, TRANSFORMERS, adapter, select_files
from neuronbuild.source.local import FolderSource

BERT = {"model_type": "bert"}


def refused(config, **how):
    with pytest.raises(SourceError) as caught:
        refuse_config("m", config, **how)
    return caught.value


def files_refused(*names, layout=TRANSFORMERS):
    with pytest.raises(SourceError) as caught:
        refuse_files("m", names, select_files(names, code=False, layout=layout), layout)
    return caught.value


def test_a_plain_config_is_let_through():
    refuse_config("m", {**BERT, "quantization_config": None, "compression_config": {}, "text_config": {"hidden_size": 3}})


def test_code_that_a_model_brings_is_refused_unless_it_is_trusted():
    config = {"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}
    error = refused(config)
    assert "Python code of its own" in str(error)
    assert "trusted or not" in error.hint
    refuse_config("m", config, trusted=True)


@pytest.mark.parametrize("method", sorted(QuantizationMethod))
def test_every_method_of_quantization_that_transformers_knows_is_refused_by_name(method):
    error = refused({**BERT, "quantization_config": {"quant_method": method.value, "bits": 4}})
    assert f"quantized ({method.value}: quantization_config in config.json)" in str(error)
    assert "full precision" in error.hint


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"quantization_config": {"quant_method": "of-tomorrow"}}, "of-tomorrow: quantization_config"),
        ({"quantization_config": {"bits": 4}}, "an unnamed method: quantization_config"),
        ({"quantization_config": {"quant_algo": "FP8"}}, "FP8: quantization_config"),
        ({"compression_config": {"format": "int-quantized"}}, "int-quantized: compression_config"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "an unnamed method: quantization"),
        ({"text_config": {"quantization_config": {"quant_method": "awq"}}}, "awq: text_config.quantization_config"),
        ({"a": {"b": {"quantization_config": {"quant_method": "fp8"}}}}, "fp8: a.b.quantization_config"),
    ],
)
def test_quantization_is_found_wherever_a_config_says_it(config, told):
    assert f"({told} in config.json)" in str(refused({**BERT, **config}))


def test_a_config_that_names_its_file_of_weights_is_refused():
    assert "transformers_weights: 'other.safetensors'" in str(refused({**BERT, "transformers_weights": "other.safetensors"}))


def test_the_adapter_that_transformers_would_apply_is_refused():
    assert ADAPTER == ADAPTER_CONFIG_NAME
    error = files_refused("config.json", SAFE_WEIGHTS_NAME, ADAPTER_CONFIG_NAME, "adapter_model.safetensors")
    assert "an adapter lies beside it (adapter_config.json)" in str(error)
    assert "merge_and_unload()" in error.hint


def test_an_adapter_alone_is_told_for_what_it_is():
    error = files_refused(ADAPTER, "adapter_model.safetensors", "tokenizer.json")
    assert "it is an adapter (adapter_config.json) and not a whole model" in str(error)
    assert "merge_and_unload()" in error.hint


def test_an_adapter_in_a_part_of_a_pipeline_is_refused():
    assert "text_encoder/adapter_config.json" in str(
        files_refused("model_index.json", "text_encoder/adapter_config.json", layout=PIPELINE)
    )


def test_an_adapter_in_a_folder_that_transformers_doesnt_look_into_says_nothing():
    refuse_files("m", ["config.json", "lora/adapter_config.json"], ["config.json"], TRANSFORMERS)


def test_a_lora_is_no_model_with_an_adapter():
    refuse_files(
        "m", [ADAPTER, "adapter_model.safetensors"], ["adapter_model.safetensors"], adapter("adapter_model.safetensors")
    )


@pytest.mark.parametrize(
    "name", ["quantize_config.json", "quant_config.json", "hf_quant_config.json", "quanto_qmap.json", "qmodel.pt"]
)
def test_files_that_describe_quantization_are_refused(name):
    assert f"{name}), and only full precision" in str(files_refused("config.json", "model.safetensors", name))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("model.fp16.safetensors", "variant"),
        ("model.fp16-00001-of-00002.safetensors", "variant"),
        ("pytorch_model.fp16.bin", "variant"),
        ("model-00001-of-00002.safetensors", "index"),
        ("pytorch_model-00001-of-00002.bin", "index"),
        ("tiny.Q4_0.gguf", "name the file itself"),
        ("tf_model.h5", "save it with transformers"),
        ("flax_model.msgpack", "save it with transformers"),
        ("model.ckpt.index", "save it with transformers"),
        ("onnx/model.onnx", "exported from"),
        ("consolidated.safetensors", "save it with transformers"),
        ("consolidated.00.pth", "save it with transformers"),
        ("pytorch_model.pt", "save it with transformers"),
    ],
)
def test_weights_that_transformers_doesnt_load_are_named(name, hint):
    error = files_refused("config.json", "training_args.bin", name)
    assert error.message == f"model m: it has neither model.safetensors nor pytorch_model.bin; what it has is {name}"
    assert hint in error.hint


def test_other_weights_beside_the_models_own_are_let_through():
    names = ["config.json", "model.safetensors", "model.fp16.safetensors", "tf_model.h5", "onnx/model.onnx"]
    refuse_files("m", names, ["config.json", "model.safetensors"], TRANSFORMERS)


def test_a_config_alone_can_be_planned_with():
    refuse_files("m", ["config.json", "training_args.bin", "optimizer.pt"], ["config.json"], TRANSFORMERS)


def test_a_network_of_diffusers_is_held_to_its_own_files():
    refuse_files("m", ["config.json", "diffusion_pytorch_model.safetensors"], ["config.json"], NETWORK)


def test_a_quantized_part_of_a_pipeline_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    (tmp_path / "transformer").mkdir()
    config = {"_class_name": "FluxTransformer2DModel", "quantization_config": {"quant_method": "bitsandbytes"}}
    (tmp_path / "transformer/config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=r"bitsandbytes: quantization_config in transformer/config\.json"):
        FolderSource(tmp_path, DigestMemory(None)).resolve(str(tmp_path), None)


def test_what_is_loaded_is_what_transformers_loads_where_shards_are_left_over(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    model = transformers.BertModel(config)
    model.save_pretrained(tmp_path, max_shard_size="2KB")
    stale = min(tmp_path.glob("model-*.safetensors"))
    stale.with_name("model-00009-of-00009.safetensors").write_bytes(stale.read_bytes())
    (tmp_path / "model-00001-of-00001.safetensors").write_bytes(b"of an older model")
    files = FolderSource(tmp_path, DigestMemory(None)).resolve(str(tmp_path), None).snapshot.files
    for name in {path.name for path in tmp_path.iterdir()} - files.keys():
        (tmp_path / name).unlink()
    loaded = transformers.AutoModel.from_pretrained(tmp_path)
    assert all(value.equal(loaded.state_dict()[name]) for name, value in model.state_dict().items())
    assert not {"model-00009-of-00009.safetensors", "model-00001-of-00001.safetensors"} & files.keys()
