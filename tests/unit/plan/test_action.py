from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.action import FORMAT, CompilerPart
from neuronbuild.artifact.codec import parse_action
from neuronbuild.artifact.fields import canonical_fields, write_fields
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.shape import Shape
from neuronbuild.digest import digest_bytes, digest_json
from neuronbuild.plan.action import ActionMaker, common_part
from neuronbuild.plan.subject import make_subject
from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.located import Located
from neuronbuild.recipe.schema import Recipe
from neuronbuild.recipe.yaml_tree import Document
from neuronbuild.tasks import TASKS
from neuronbuild.tasks.families import TEXT
from tests.tools.action_keys import compute_keys, read_golden
from tests.tools.fuzz import few, json_values, random_mapping, random_text
from tests.unit.plan.cases import BERT, FINGERPRINT, SIZES, compile_options, key, make_action, without

KEY = key()
NONE = {"auto_cast": "none"}
CPU = {"platform": "cpu", "extra_args": ()}
CPU_FINGERPRINT = replace(FINGERPRINT, name="inductor", platform="cpu")


def config(**changes):
    return {"config": {**BERT, **changes}}


@pytest.mark.parametrize(
    "change",
    [
        config(_name_or_path="elsewhere", _commit_hash="a" * 40),
        config(transformers_version="5.23.0"),
        config(id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2}),
        config(id2label=None, label2id=None, num_labels=3),
        config(attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.5, classifier_dropout=0.3),
        config(torch_dtype="float16"),
        config(dtype="bfloat16"),
        config(architectures=["BertForMaskedLM"]),
        config(use_cache=False, output_attentions=True, return_dict=False),
        config(initializer_range=1.0, gradient_checkpointing=True),
        config(position_embedding_type="absolute", pruned_heads={}),
        config(max_position_embeddings=512, type_vocab_size=2),
        config(layer_norm_eps=1e-12, tie_word_embeddings=True),
        config(problem_type="single_label_classification", finetuning_task="sst-2"),
        {"config": dict(reversed(BERT.items()))},
        {"sizes": dict(reversed(SIZES.items()))},
        {"weights": None},
    ],
)
def test_what_decides_nothing_is_not_in_the_key(change):
    assert key(**change) == KEY


@pytest.mark.parametrize(
    "change",
    [
        config(hidden_size=768),
        config(hidden_act="relu"),
        config(layer_norm_eps=1e-5),
        config(vocab_size=30523),
        config(num_hidden_layers=7),
        config(type_vocab_size=1),
        config(id2label={"0": "a", "1": "b"}),
        config(id2label=None, num_labels=2),
        config(position_embedding_type="relative_key"),
        config(pruned_heads={"0": [1]}),
        config(something_new=True),
        {"task": "token-classification"},
        {"task": "fill-mask"},
        {"sizes": {**SIZES, "batch_size": 2}},
        {"sizes": {**SIZES, "sequence_length": 65}},
        {"weights": {"model.safetensors": "1" * 64}},
        {"dtype": "bfloat16"},
        {"auto_cast": "all"},
        {"auto_cast": "none"},
        {"auto_cast_type": "fp16"},
        {"optlevel": 3},
        {"extra_args": ()},
        {"extra_args": ("--enable-saturate-infinity", "--model-type=generic")},
        {"dynamic_batch_size": True},
        {"fingerprint": replace(FINGERPRINT, name="other")},
        {"fingerprint": replace(FINGERPRINT, platform="trn1")},
        {"fingerprint": replace(FINGERPRINT, versions={**FINGERPRINT.versions, "torch": "2.9.0+cpu"})},
        {"fingerprint": replace(FINGERPRINT, versions={**FINGERPRINT.versions, "new": "1"})},
        {"fingerprint": replace(FINGERPRINT, flags={**FINGERPRINT.flags, "target": "trn1"})},
        {"fingerprint": replace(FINGERPRINT, flags={})},
    ],
)
def test_what_decides_the_bytes_is_in_the_key(change):
    assert key(**change) != KEY


@pytest.mark.parametrize("task", [name for name in TEXT if not TASKS[name].labels])
def test_the_number_of_labels_is_keyed_only_for_tasks_with_labels(task):
    assert key(task=task, **config(id2label={"0": "only"})) == key(task=task)


def test_the_type_of_a_cast_that_is_not_asked_for_is_not_in_the_key():
    assert key(**NONE, auto_cast_type="fp16") == key(**NONE, auto_cast_type="bf16")


@pytest.mark.parametrize(
    "change", [{"extra_args": ("--enable-fast-context-switch",)}, {"num_cores": 8}, {"dynamic_batch_size": True}]
)
def test_options_of_neuron_are_not_in_a_key_for_cpu(change):
    assert key(**{**CPU, **change}, fingerprint=CPU_FINGERPRINT) == key(**CPU, fingerprint=CPU_FINGERPRINT)


def test_the_weights_of_an_inline_compile_are_keyed_by_file_and_digest():
    keys = {key(weights=weights) for weights in [{}, {"a": "1" * 64}, {"a": "2" * 64}, {"b": "1" * 64}]}
    assert len(keys) == 4


def test_the_order_of_weight_files_makes_no_difference():
    files = {"a": "1" * 64, "b": "2" * 64}
    assert key(weights=files) == key(weights=dict(reversed(files.items())))


@pytest.mark.parametrize("words", [{"name": "other"}, {"release": {"name": "out"}}, {"revision": "v2"}])
def test_a_recipes_own_words_are_not_in_the_key(words):
    def keys(**said):
        recipe = Recipe.model_validate(
            {"model": "x", "name": "n", "platforms": ["inf2"], "shapes": {"batch_size": 1, "sequence_length": 64}, **said}
        )
        targets = expand(Located(recipe, Path("a.yaml"), Document({})), "fill-mask")
        subject = make_subject(BERT, task="fill-mask")
        return [ActionMaker(subject, compile_options(t.options)).make(t.graph, t.shape).key for t in targets]

    assert keys(**words) == keys()


def test_a_model_saved_by_an_older_and_a_newer_transformers_has_one_key():
    silent = without(BERT, "hidden_act", "layer_norm_eps", "vocab_size")
    spoken = {**BERT, "add_cross_attention": False, "chunk_size_feed_forward": 0, "pad_token_id": 0, "is_decoder": False}
    assert key(config=silent) == key(config=spoken) == KEY


@pytest.mark.parametrize(("name", "whole", "decimal"), [("layer_norm_eps", 1, 1.0), ("layer_norm_eps", 0, 0.0)])
def test_a_whole_number_may_be_written_without_a_point(name, whole, decimal):
    assert key(**config(**{name: whole})) == key(**config(**{name: decimal}))


def test_the_document_says_what_is_compiled():
    document = make_action().document
    assert set(document) == {
        "format", "kind", "task", "model", "weights", "dtype", "compiler", "toolchain", "graph", "inputs", "shape",
    }  # fmt: skip
    assert (document["format"], document["kind"], document["weights"]) == (FORMAT, "compile", "separate")
    assert document["inputs"] == [
        {"name": name, "dtype": "int64", "shape": [1, 64]} for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    assert document["toolchain"] == FINGERPRINT.as_json()


def test_inputs_of_a_multiple_choice_have_the_choices_in_the_middle():
    document = make_action(task="multiple-choice").document
    assert document["inputs"][0]["shape"] == [1, 4, 64]
    assert document["shape"] == SIZES


def test_the_document_holds_json_and_nothing_else():
    document = make_action(weights={"a": "1" * 64}).document
    assert json.loads(json.dumps(document)) == document


def test_two_actions_of_one_maker_share_nothing_that_changes():
    maker = ActionMaker(make_subject(BERT, task="fill-mask"), compile_options())
    shape = Shape.of({"batch_size": 1, "sequence_length": 64})
    first = maker.make("forward", shape)
    first.record.shape.clear()
    assert maker.make("forward", shape).key == first.key == digest_json(maker.make("forward", shape).document).sha256


@st.composite
def actions(draw):
    """An action of any options, fingerprint and config values."""
    extra = draw(st.dictionaries(st.text(max_size=6), json_values, max_size=3))
    fingerprint = Fingerprint(
        draw(st.text(max_size=6)),
        draw(st.text(max_size=6)),
        draw(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3)),
        draw(st.dictionaries(st.text(max_size=6), json_values, max_size=3)),
    )
    return make_action(
        config={**extra, **BERT},
        task=draw(st.sampled_from(TEXT)),
        fingerprint=fingerprint,
        weights=draw(st.none() | st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2)),
        sizes={axis: draw(st.integers(1, 1 << 24)) for axis in SIZES},
        compiler=CompilerPart(
            arguments=draw(st.none() | st.lists(st.text(max_size=6), max_size=3).map(tuple)),
            optlevel=draw(st.none() | st.integers()),
            libraries=draw(st.none() | st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2)),
        ),
    )


@few
@given(actions())
def test_the_key_is_the_digest_of_the_document(action):
    assert digest_json(action.document).sha256 == action.key


@few
@given(actions())
def test_what_was_planned_is_read_back_as_it_was_planned(action):
    assert parse_action(json.loads(json.dumps(action.document))) == action.record


@few
@given(actions())
def test_the_key_is_the_digest_of_the_text_that_is_written_from_the_fields_that_explain_it(action):
    assert digest_bytes(write_fields(canonical_fields(action.document)).encode()).sha256 == action.key


def test_actions_of_one_grid_have_all_in_common_but_graph_inputs_and_shape():
    one, other = make_action(), make_action(sizes={**SIZES, "batch_size": 2})
    assert one.common == other.common == digest_json(common_part(other.document)).sha256
    assert one.common != make_action(dtype="bfloat16").common
    assert set(one.document) - set(common_part(one.document)) == {"graph", "inputs", "shape"}


def random_action(chance):
    """As `actions` makes them, in a tenth of the time."""

    def words():
        return {random_text(chance, 6): random_text(chance, 6) for _ in range(chance.randint(0, 3))}

    return make_action(
        config={**random_mapping(chance, longest=6), **BERT},
        task=chance.choice(TEXT),
        fingerprint=Fingerprint(random_text(chance, 6), random_text(chance, 6), words(), random_mapping(chance, longest=6)),
        weights=chance.choice([None, words()]),
        sizes={axis: chance.randint(1, 1 << 24) for axis in SIZES},
        compiler=CompilerPart(arguments=tuple(words()), num_cores=chance.choice([None, 1, 2]), libraries=words()),
    )


@pytest.mark.soak
def test_twenty_thousand_keys_are_the_digests_of_their_documents():
    keys = set()
    for seed in range(20_000):
        action = random_action(random.Random(seed))
        assert digest_json(action.document).sha256 == action.key, seed
        keys.add(action.key)
    assert len(keys) == 20_000


@few
@given(st.integers())
def test_the_order_of_a_configs_keys_makes_no_difference(seed):
    items = list(BERT.items())
    random.Random(seed).shuffle(items)
    assert key(config=dict(items)) == KEY


def test_the_commits_of_what_another_tool_reads_whole_are_in_its_key():
    subject, shape = make_subject(BERT, task="text-classification"), Shape.of({"batch_size": 1, "sequence_length": 64})
    made = {
        commit: ActionMaker(subject, replace(compile_options(), commits=commit and {"": commit})).make("forward", shape)
        for commit in (None, "a" * 40, "b" * 40)
    }
    assert len({action.key for action in made.values()}) == len(made)
    assert "commits" not in made[None].document["model"]
    assert all(digest_json(action.document).sha256 == action.key for action in made.values())


@pytest.mark.parametrize("name", sorted(read_golden()))
def test_keys_of_old_stay_as_they_are(name):
    assert compute_keys()[name] == read_golden()[name], (
        f"the key of {name!r} is another than in tests/golden/action_keys.json: every store would miss it. If that is meant, "
        "raise FORMAT in neuronbuild/artifact/action.py, say so in the changelog, and run `python -m tests.tools.action_keys`"
    )


def test_every_task_has_a_golden_key():
    assert compute_keys().keys() == read_golden().keys()
    assert {name.partition(" ")[0] for name in read_golden()} == set(TASKS)
