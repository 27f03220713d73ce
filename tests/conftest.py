"""Real tiny models, and artifacts compiled once for all tests that need real ones."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from filelock import FileLock

# Threads of compiled graphs spin while they wait for each other. Beside other work on the same processors that takes a
# hundred times as long as the graphs themselves, so before torch is loaded they are told to sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from tests import senses, warm
from tests.doubles import s3
from tests.limits import LONG
from tests.tools import answers, once_gxx
from tests.tools.tiny import ANSWERER, WHISPER

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "vocab_size": 120,
}
WORDS = [
    "the", "cat", "sits", "on", "a", "mat", "dog", "runs", "in", "park", "sun", "shines", "who", "where", "is", "it", "red",
    "blue", "green", "car", "house", "tree", "good", "bad",
]  # fmt: skip


LONGEST = (
    "unit/models/test_checked", "seams/test_object_store", "flows/test_neuron_failures", "flows/test_far_quirks",
    "flows/test_run_command", "unit/models/test_pipelines", "flows/test_interruption", "flows/test_guide",
    "unit/worker/test_senses", "unit/worker/test_probes", "flows/test_neuron_build", "flows/test_damage", "flows/test_failures",
    "flows/test_signed_releases", "flows/test_neuron_optimum", "flows/test_far_stores", "flows/test_minilm", "flows/test_gguf",
    "flows/test_refused_objects", "flows/test_far_refusals", "flows/test_newcomers", "flows/test_neuron_diffusion",
    "unit/models/test_sentences", "flows/test_shared_cache", "unit/worker/test_seq2seq", "unit/worker/test_generation",
)  # fmt: skip
"""Files that take longest: they come first, so that no process ends long after the other.

The first makes `built` in one process; next, in the other, come those that can do without it for as long.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order of the others, and within a file, stays."""
    places = {ROOT / f"tests/{name}.py": place for place, name in enumerate(LONGEST)}
    assert all(file.is_file() for file in places)
    items.sort(key=lambda item: places.get(item.path, len(places)))


def common_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run, whichever of its processes asks."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def _own_user_cache(tmp_path_factory):
    """No test reads or writes the developer's own caches, and none reaches a model hub."""
    before = dict(os.environ)
    cache = common_root(tmp_path_factory) / "user-cache"  # of both processes: precompiled headers are made once
    cache.mkdir(exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("user-config"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["PATH"] = f"{once_gxx.install(common_root(tmp_path_factory) / 'bin')}{os.pathsep}{os.environ['PATH']}"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile this project's modules each
    os.environ.pop("NEURONBUILD_CACHE", None)
    os.environ.pop("NEURONBUILD_REMOTE", None)
    os.environ.update(s3.CREDENTIALS, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _seeded(request):
    """Random numbers of a test follow from its name, whatever ran before it in this process."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    if torch := sys.modules.get("torch"):  # a test that doesn't need it doesn't wait for it
        torch.manual_seed(seed)


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """The endpoint of an S3 server by its kind, started when first asked for."""
    with contextlib.ExitStack() as stack:
        running: dict[str, str] = {}

        def start(kind: str) -> str:
            if kind not in running:
                running[kind] = stack.enter_context(s3.SERVERS[kind](tmp_path_factory.mktemp(kind)))
            return running[kind]

        yield start


@pytest.fixture
def remote(servers) -> str:
    """A place of one's own on an S3 server."""
    return s3.location(servers("ministack"))


def write_tokenizer(folder: Path, *, token_types: bool = True) -> None:
    """A WordPiece tokenizer over a few English words."""
    given = ["input_ids", *(["token_type_ids"] if token_types else []), "attention_mask"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *(f"##{chr(c)}" for c in range(97, 123))]
    vocabulary += [chr(c) for c in range(97, 123)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    names = {
        name: f"[{name.partition('_')[0].upper()}]"
        for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_input_names": given, **names})
    )


MESSAGES = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "runs"}]


def write_chat_templates(folder: Path) -> None:
    """A chat template and two further ones."""
    said = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    (folder / "chat_template.jinja").write_text(said)
    (folder / "additional_chat_templates").mkdir()
    for name in ("rag", "tool use"):
        (folder / f"additional_chat_templates/{name}.jinja").write_text(f"{name}: {said}")


def make_model(folder: Path, auto_class: str, model_type: str = "bert", seed: int = 0, **config) -> Path:
    """Save a tiny text model of seeded random weights, with a tokenizer, in transformers' format."""
    return save_model(folder, auto_class, model_type, seed, **{**SIZES, **config})


def save_model(folder: Path, auto_class: str, model_type: str, seed: int = 0, **config) -> Path:
    """Save a model of just this config."""
    import torch
    import transformers

    torch.manual_seed(seed)
    made = transformers.CONFIG_MAPPING[model_type](**config)
    getattr(transformers, auto_class).from_config(made).save_pretrained(folder)
    write_tokenizer(folder, token_types="CausalLM" not in auto_class and "Seq2Seq" not in auto_class)
    return folder


CLASSES = {
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "multiple-choice": "AutoModelForMultipleChoice",
}


SEQ2SEQ = {
    "text2text-generation": (
        "AutoModelForSeq2SeqLM",
        "t5",
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 120, "decoder_start_token_id": 0},
    ),
    "speech-seq2seq": (
        "AutoModelForSpeechSeq2Seq",
        "whisper",
        {
            **ANSWERER,
            **WHISPER,
            "vocab_size": 120,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "decoder_start_token_id": 4,
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
        },
    ),
}
GENERATOR = {"num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A folder by its name that the first of all test processes makes, and the others wait for.

    `pytest -n` runs several processes, each with fixtures of its own, below one folder.
    """
    root = common_root(tmp_path_factory)

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()  # which fails where an earlier attempt failed: all tests are told, and none tries again
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def models(once) -> dict[str, Path]:
    """By task: a tiny BERT for each task of text encoders (`sentence-similarity` has pooling modules), Llama, T5, Whisper,
    and what `tests/senses.py` has for images and sound.
    """
    return {folder.name: folder for folder in sorted(once("models", make_models).iterdir())}


def make_models(root: Path) -> None:
    """One model a task, each in a folder of the task's name."""
    for task, auto_class in CLASSES.items():
        make_model(root / task, auto_class, **({} if task == "question-answering" else {"num_labels": 3}))
    write_chat_templates(make_model(root / "text-generation", "AutoModelForCausalLM", "llama", **GENERATOR))
    for task, (auto, kind, config) in SEQ2SEQ.items():
        save_model(root / task, auto, kind, **config)
    senses.write_whisper_parts(root / "speech-seq2seq")
    for task, family in senses.SAMPLES.items():
        senses.make_sense_model(root / task, task, family)
    write_sentence_modules(make_model(root / "sentence-similarity", "AutoModel"))


def write_sentence_modules(folder: Path) -> None:
    """What makes a folder a sentence-transformers model: mean pooling, then normalisation."""
    kinds = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    modules = [
        {"idx": int(i), "name": i, "path": path, "type": f"sentence_transformers.models.{kind}"} for i, path, kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": SIZES["hidden_size"], "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def run_cli(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, timeout: float = LONG
) -> subprocess.CompletedProcess[str]:
    """The real command line, in a process of its own."""
    words, whole = [str(word) for word in arguments], {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    if words[:1] == ["run"] and whole["PYTHONPATH"] == str(ROOT):
        return warm.run(words, cwd, whole, timeout)
    return subprocess.run(
        [sys.executable, "-m", "neuronbuild", *words],
        cwd=cwd,
        env=whole,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def write_recipe(file: Path, **keys) -> Path:
    """A recipe file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(keys))
    return file


class Built:
    """Everything that one `apply` made for all tests: treat it as read-only."""

    def __init__(self, root: Path, cache: Path, report: dict) -> None:
        self.root = root
        self.cache = cache
        self.recipes = root / "recipes"
        self.report = report
        self.releases = {entry["recipe"]: Path(entry["folder"]) for entry in report["releases"]}


TEXT = {"batch_size": 2, "sequence_length": 16}
SHAPES = {
    "multiple-choice": {**TEXT, "num_choices": 2},
    "text-generation": {"batch_size": 2, "num_beams": 2, "sequence_length": 48, "prefill_length": [8, 32]},
    "text2text-generation": {"batch_size": 2, "num_beams": 2, "sequence_length": 24},
    "speech-seq2seq": {"batch_size": 2, "num_beams": 2, "sequence_length": 32},
    **senses.SHAPES,
}


@pytest.fixture(scope="session")
def built(models, once) -> Built:
    """One release a task, `grid` with buckets and splitting, `cast-matmul`, `cast-all`, `half` and `quick` for the options.

    Three minutes of compiling, once a run; `NEURONBUILD_TEST_STORE` names a folder to keep the results in between runs.
    """
    root = once("built", lambda folder: build_all(folder, models))
    cache = Path(os.environ.get("NEURONBUILD_TEST_STORE") or root / "cache")
    return Built(root, cache, json.loads((root / "report.json").read_text()))


def build_all(root: Path, models: dict[str, Path]) -> None:
    """Compile and release all recipes of `built`, and keep what `apply` said as `report.json`."""
    cache = os.environ.get("NEURONBUILD_TEST_STORE") or root / "cache"
    for task, model in models.items():
        shapes = SHAPES.get(task, TEXT)
        write_recipe(root / f"recipes/{task}.yaml", name=task, model=str(model), task=task, shapes=shapes)
    base = {"model": str(models["feature-extraction"]), "task": "feature-extraction"}
    grid = {"batch_size": [1, 4], "sequence_length": [8, 32], "exclude": [{"batch_size": 4, "sequence_length": 8}]}
    options = {
        "grid": {"shapes": grid, "dynamic_batch_size": True},
        "cast-matmul": {"shapes": TEXT, "compiler": {"auto_cast": "matmul", "auto_cast_type": "bf16"}},
        "cast-all": {"shapes": TEXT, "compiler": {"auto_cast": "all", "auto_cast_type": "bf16"}},
        "half": {"shapes": TEXT, "dtype": "float16"},
        "quick": {"shapes": TEXT, "compiler": {"optlevel": 1}},
    }
    for name, keys in options.items():
        write_recipe(root / f"recipes/{name}.yaml", name=name, **base, **keys)
    done = run_cli("apply", "recipes", "--json", "-k", "-j", 2, "--cache", cache, cwd=root)
    assert done.returncode == 0, done.stderr
    (root / "report.json").write_text(done.stdout)


VIVID = (*CLASSES, "sentence-similarity", "text-generation")


@pytest.fixture(scope="session")
def vivid(models, built, once) -> Built:
    """Releases of text models with larger weights and named labels, from what `built` has compiled. Treat it as read-only."""
    root = once("vivid", lambda folder: release_vivid(folder, models, built.cache))
    return Built(root, built.cache, json.loads((root / "report.json").read_text()))


def release_vivid(root: Path, models: dict[str, Path], cache: Path) -> None:
    """Release such models, and keep what `apply` said as `report.json`."""
    for task in VIVID:
        model = answers.make_vivid(models[task], root / "models" / task, task)
        write_recipe(root / f"recipes/{task}.yaml", name=task, model=str(model), task=task, shapes=SHAPES.get(task, TEXT))
    done = run_cli("apply", "recipes", "--json", "-j", 2, "--cache", cache, cwd=root)
    assert done.returncode == 0, done.stderr
    (root / "report.json").write_text(done.stdout)
