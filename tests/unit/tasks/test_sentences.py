from __future__ import annotations

import inspect

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer

from neuronbuild.tasks.checking import SettingError
from neuronbuild.tasks.sentences import OF_READER, READERS, SIMILARITIES, USES, Settings, read_settings, setting_files

LISTED = {"": []}
BERT = READERS[0]


def settings(uses=None, **reader) -> Settings:
    return read_settings({"modules.json": LISTED, BERT: reader, **({} if uses is None else {USES: uses})})


def refusal(uses=None, **reader) -> str:
    with pytest.raises(SettingError) as caught:
        settings(uses, **reader)
    return str(caught.value)


def test_a_model_without_modules_has_no_settings_whatever_its_files_say():
    assert read_settings({USES: {"own": 1}, BERT: {"own": 1}}) == Settings(plain=True)
    assert setting_files([USES, BERT]) == []


def test_files_that_say_nothing_leave_all_as_it_is():
    assert read_settings({"modules.json": LISTED}) == settings({}) == Settings()
    assert Settings().prompts == {"query": "", "document": ""}


def test_the_first_file_that_says_anything_counts():
    documents = {"modules.json": LISTED, READERS[1]: {}, READERS[4]: {"max_seq_length": 5}, READERS[6]: {"max_seq_length": 7}}
    assert read_settings(documents).tokenizer == {"model_max_length": 5}
    assert setting_files([*documents, "config.json"]) == [*documents]


def test_names_of_files_are_those_that_the_library_reads():
    source = inspect.getsource(Transformer.load_config)
    assert all(f'"{name}"' in source for name in READERS)
    assert source.count("_config.json") == len(READERS)


def test_keys_are_those_that_the_library_takes():
    """A new key of the library must be looked at before it is taken."""
    taken = {*inspect.signature(Transformer.__init__).parameters} - {"self", "model_name_or_path", "backend"}
    older = {"model_args", "config_args", "tokenizer_args"}
    assert {*OF_READER} == taken | older
    assert {*Transformer.config_keys} <= {*OF_READER}


def test_similarities_are_the_librarys():
    assert SentenceTransformer.SUPPORTED_SIMILARITY_FN_NAMES == SIMILARITIES


@pytest.mark.parametrize(
    ("reader", "arguments"),
    [
        ({"max_seq_length": 7}, {"model_max_length": 7}),
        ({"max_seq_length": None}, {}),
        ({"max_seq_length": 7, "processor_kwargs": {"model_max_length": 9}}, {"model_max_length": 9}),
        ({"tokenizer_args": {"padding_side": "left", "trust_remote_code": True}}, {"padding_side": "left"}),
        ({"tokenizer_args": {}, "processor_kwargs": {"padding_side": "left"}}, {}),
    ],
)
def test_the_tokenizer_is_told_what_the_library_tells_it(reader, arguments):
    assert settings(**reader).tokenizer == arguments


def test_every_setting_is_read():
    uses = {
        "prompts": {"query": "q: ", "own": None},
        "default_prompt_name": "own",
        "similarity_fn_name": "dot",
        "truncate_dim": 3,
    }
    found = settings({**uses, "__version__": {"torch": "1"}}, do_lower_case=True, query_length=3, document_length=5)
    assert found == Settings(
        do_lower_case=True,
        query_length=3,
        document_length=5,
        prompts={"query": "q: ", "document": "", "own": ""},
        default_prompt_name="own",
        similarity_fn_name="dot",
        truncate_dim=3,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_seq_length", 0),
        ("max_seq_length", "128"),
        ("do_lower_case", "yes"),
        ("transformer_task", "fill-mask"),
        ("modality_config", {"message": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        ("modality_config", {"text": {"method": "forward", "method_output_name": "pooler_output"}}),
        ("module_output_name", "sentence_embedding"),
        ("model_args", {"attn_implementation": "eager"}),
        ("model_kwargs", {"dtype": "float16"}),
        ("config_kwargs", {"output_hidden_states": True}),
        ("processor_kwargs", {"use_fast": False}),
        ("processor_kwargs", {"padding_side": "top"}),
        ("processing_kwargs", {"text": {"max_length": 4}}),
        ("query_expansion", {"strategy": "fixed", "length": 32}),
        ("tokenizer_name_or_path", "other/model"),
    ],
)
def test_a_value_that_cannot_be_followed_is_refused_by_its_key(key, value):
    assert refusal(**{key: value}).startswith(f"{BERT}: this version can't do {key}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prompts", None),
        ("prompts", ["a"]),
        ("prompts", {"query": 1}),
        ("default_prompt_name", 1),
        ("similarity_fn_name", "maxsim"),
        ("truncate_dim", 1.5),
        ("truncate_dim", True),
        ("model_type", "CrossEncoder"),
        ("model_type", "SparseEncoder"),
        ("requirements", {"transformers": ">=99"}),
    ],
)
def test_a_use_that_cannot_be_followed_is_refused_by_its_key(key, value):
    assert refusal({key: value}).startswith(f"{USES}: this version can't do {key}: ")


def test_keys_that_nobody_knows_are_refused():
    assert "doesn't know 'own'" in refusal(own=1)
    assert "doesn't know 'own'" in refusal({"own": 1})
    assert refusal([1]) == f"{USES}: it holds no keys and values"


def test_a_prompt_by_default_must_be_there():
    assert refusal({"prompts": {"a": "b"}, "default_prompt_name": "c"}).endswith(
        "default_prompt_name is 'c', but prompts names only query, document, a"
    )
