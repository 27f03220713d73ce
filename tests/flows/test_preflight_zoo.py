"""`neuronbuild preflight` over the recipes of the zoo, with the real torch-xla: one shape each, of models of the real sizes.

The models are configs alone, since preflight makes up the weights: what transformers takes for a family's usual model, with the
figures in which the zoo's models differ from it. Diffusion pipelines go to optimum-neuron, and are left out.
"""

from __future__ import annotations

import json
import os

import pytest
import transformers
import yaml

from neuronbuild.tasks import TASKS
from tests.conftest import ROOT, run_cli, write_recipe
from tests.doubles.neuron_sdk import FRONT_END

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
WIDE = {"vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
QWEN = {
    "vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "max_position_embeddings": 32768, "tie_word_embeddings": True,
}  # fmt: skip
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "all-minilm-l6-v2": ("bert", MINILM),
    "all-mpnet-base-v2": ("mpnet", {"max_position_embeddings": 514}),
    "bert-base-ner": ("bert", {"num_labels": 9}),
    "bert-base-swag": ("bert", {}),
    "bert-base-uncased": ("bert", {}),
    "bge-reranker-base": ("xlm-roberta", {**WIDE, "num_labels": 1}),
    "bge-small-en": ("bert", MINILM | {"num_hidden_layers": 12}),
    "clip-vit-base-patch32": ("clip", {}),
    "codebert-base": ("roberta", ROBERTA),
    "convnext-tiny-224": ("convnext", {"num_labels": 1000}),
    "deeplabv3-mobilevit-small": ("mobilevit", {"num_labels": 21, "image_size": 512}),
    "distilbert-squad": ("distilbert", {}),
    "distilbert-sst2": ("distilbert", {}),
    "modernbert-base": ("modernbert", {}),
    "multilingual-e5-base": ("xlm-roberta", WIDE),
    "qwen2.5-0.5b-instruct": ("qwen2", QWEN),
    "roberta-base-squad2": ("roberta", ROBERTA),
    "t5-small": ("t5", {"decoder_start_token_id": 0}),
    "twitter-roberta-sentiment": ("roberta", {**ROBERTA, "num_labels": 3}),
    "vit-base-patch16-224": ("vit", {"num_labels": 1000}),
    "wav2vec2-base-960h": ("wav2vec2", {}),
    "wav2vec2-keyword-spotting": ("wav2vec2", {"num_labels": 12}),
    "wav2vec2-speaker-diarization": ("wav2vec2", {}),
    "wav2vec2-speaker-verification": ("wav2vec2", {}),
    "whisper-tiny": ("whisper", {}),
    "xlm-roberta-base": ("xlm-roberta", WIDE),
    "yolos-tiny": (
        "yolos",
        {
            "hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768, "image_size": [800, 1333], "num_labels": 91,
            "use_mid_position_embeddings": False,
        },
    ),
}  # fmt: skip
"""By recipe: the model type, and what its config says."""

RECIPES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "recipes/zoo").glob("*.yaml"))}
LOWERED = [name for name, recipe in RECIPES.items() if TASKS[recipe.get("task", "fill-mask")].graphs and "model" in recipe]
ENCODINGS = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}


def write_model(folder, task: str, family: str, own: dict[str, object]) -> None:
    """The config of a model, and for sentences what it is put together from."""
    auto = getattr(transformers, TASKS[task].auto_class)
    config = transformers.CONFIG_MAPPING[family](**own)
    config.architectures = [auto._model_mapping[type(config)].__name__]
    config.save_pretrained(folder)
    if task == "sentence-similarity":
        (folder / "modules.json").write_text(json.dumps([*ENCODINGS, POOLING]))
        (folder / "1_Pooling").mkdir()
        pooling = {"word_embedding_dimension": config.hidden_size, "pooling_mode_mean_tokens": True}
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def write_workspace(root, names: list[str]) -> None:
    """Recipes of the zoo over such models, for one platform, each axis at its first size."""
    said = {"sdk": "2.31.0", "limits": {"jobs": 1}, "toolchains": {"frontend": {"python": os.environ[FRONT_END]}}}
    (root / "neuronbuild.yaml").write_text(json.dumps(said))
    for name in names:
        recipe, (family, own) = RECIPES[name], MODELS[name]
        write_model(root / f"models/{name}", recipe["task"], family, own)
        shapes = {axis: size[0] if isinstance(size, list) else size for axis, size in recipe["shapes"].items()}
        recipe = {**recipe, "model": f"../models/{name}", "platforms": ["trn1"], "name": name}
        recipe["shapes"] = {axis: size for axis, size in shapes.items() if axis not in {"include", "exclude"}}
        write_recipe(root / f"recipes/{name}.yaml", **recipe)


def test_every_recipe_that_is_compiled_here_has_a_model():
    assert sorted(MODELS) == LOWERED


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get(FRONT_END), reason=f"{FRONT_END} names no interpreter with torch-xla")
@pytest.mark.parametrize("name", LOWERED)
def test_a_recipe_of_the_zoo_lowers_at_its_real_size(name, tmp_path):
    write_workspace(tmp_path, [name])
    done = run_cli("preflight", "recipes", "--json", cwd=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stdout + done.stderr
    targets = json.loads(done.stdout)["targets"]
    assert {target["graph"] for target in targets} == {graph.name for graph in TASKS[RECIPES[name]["task"]].graphs}
    assert all(target["lowering"]["problems"] == [] and target["lowering"]["parameters"] > 0 for target in targets)
