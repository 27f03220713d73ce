from __future__ import annotations

import pytest

from neuronbuild.artifact.action import document_of
from neuronbuild.plan.subject import SubjectError, make_subject
from neuronbuild.tasks import TASKS
from tests.tools.action_keys import SENTENCES
from tests.unit.plan.cases import BERT, make_action


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def refusal(config=BERT, **arguments):
    with pytest.raises(SubjectError) as caught:
        make_subject(config, **{"task": None, **arguments})
    return caught.value.key, str(caught.value)


def test_the_task_is_inferred_from_the_config():
    assert make_subject(BERT, task=None).task.name == "text-classification"


def test_the_task_that_is_asked_for_wins():
    assert make_subject(BERT, task="fill-mask", documents=SENTENCES).task.name == "fill-mask"


def test_a_sentence_transformers_model_embeds_sentences():
    assert make_subject(BERT, task=None, documents=SENTENCES).task.name == "sentence-similarity"


@pytest.mark.parametrize(
    ("file", "says"), [("config_sentence_transformers.json", {"prompts": 7}), ("1_Pooling/config.json", {"own": 7})]
)
def test_what_sentence_transformers_files_say_is_understood_or_refused(file, says):
    key, text = refusal(documents={**SENTENCES, file: says})
    assert key == "task"
    assert text.startswith(f"{file}: this version ")
    assert text.endswith("; use task feature-extraction")
    assert make_subject(BERT, task="feature-extraction", documents={**SENTENCES, file: says}).model


def test_only_graphs_that_leave_prompts_out_are_told_which_tokens_are_pooled():
    pooled = {"embedding_dimension": 384, "include_prompt": False}
    given = [
        [entry["name"] for entry in make_action(task=None, documents=documents).document["inputs"]]
        for documents in (SENTENCES, {**SENTENCES, "1_Pooling/config.json": pooled})
    ]
    assert given == [["input_ids", "attention_mask", *more] for more in ([], ["pooling_mask"])]


@pytest.mark.parametrize("architectures", [["BertForNothing"], [], None, "BertModel", [7]])
def test_a_task_that_cannot_be_told_must_be_given(architectures):
    key, text = refusal({**BERT, "architectures": architectures})
    assert key == "model"
    assert all(task in text for task in TASKS)


def test_an_unknown_model_type_is_told_what_is_supported():
    key, text = refusal({"model_type": "gpt2"}, task="fill-mask")
    assert key == "model"
    assert text.startswith("model type 'gpt2' isn't supported for fill-mask; supported: albert, bert, ")


MIXTRAL = {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "num_local_experts": 4,
    "sliding_window": None,
    "max_position_embeddings": 256,
    "attention_dropout": 0.0,
    "transformers_version": "4.57.1",
    "torch_dtype": "bfloat16",
}
QWEN3 = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "dtype": "bfloat16"}


def exported(config, **arguments):
    return make_subject(config, **{"task": None, "delegated": "num_cores", **arguments})


def test_a_type_that_only_another_tool_exports_is_planned_for_it_with_all_that_its_config_says():
    made = exported(MIXTRAL)
    assert (made.task.name, made.dtype, made.longest) == ("text-generation", "bfloat16", 256)
    assert made.model.config == {
        "model_type": "mixtral", "num_local_experts": 4, "sliding_window": None, "max_position_embeddings": 256,
    }  # fmt: skip
    key, text = refusal(MIXTRAL)
    assert key == "model"
    assert "'mixtral' isn't supported for text-generation; supported: gemma, " in text
    assert text.endswith("`toolchain: optimum` has optimum-neuron export it for inf2 and Trainium")


def test_a_type_that_is_known_here_is_keyed_for_it_as_for_us():
    config = exported(QWEN3).model.config
    assert config == make_subject(QWEN3, task=None).model.config


@pytest.mark.parametrize(
    ("config", "task", "told"),
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, None, "doesn't export gpt2 for text-generation, only"),
        ({"model_type": "mt5"}, "text2text-generation", "doesn't export mt5 for text2text-generation, only t5"),
        (BERT, "fill-mask", "optimum-neuron isn't used for fill-mask, only for"),
        (BERT, "feature-extraction", "doesn't export bert for feature-extraction, only qwen3"),
    ],
)
def test_what_the_other_tool_doesnt_export_is_told_at_the_key_that_asks_for_it(config, task, told):
    key, text = refusal(config, task=task, delegated="toolchain")
    assert key == "toolchain"
    assert told in text


def test_a_decoder_that_embeds_has_a_task_only_there():
    made = exported(QWEN3, task="feature-extraction")
    assert (made.task.name, made.model.auto_class, made.dtype) == ("feature-extraction", "AutoModel", "bfloat16")
    assert "`toolchain: optimum`" in refusal(QWEN3, task="feature-extraction")[1]


@pytest.mark.parametrize(("config", "dtype"), [({"dtype": "float16", "torch_dtype": "bfloat16"}, "float16"), ({}, "bfloat16")])
def test_a_decoders_dtype_is_what_its_config_says(config, dtype):
    assert exported({**QWEN3, **config}).dtype == dtype
    assert make_subject({**QWEN3, **config}, task=None).dtype is None


def test_of_a_model_of_texts_and_images_it_would_leave_the_weights_out():
    key, text = refusal({"model_type": "llama4", "dtype": "bfloat16"}, task="text-generation", delegated="num_cores")
    assert key == "num_cores"
    assert "doesn't export llama4 for text-generation, only" in text


@pytest.mark.parametrize("stated", [{}, {"dtype": None}])
def test_a_decoder_whose_config_says_no_dtype_is_refused(stated):
    key, text = refusal({**MIXTRAL, "torch_dtype": None, **stated}, delegated="num_cores")
    assert key == "model"
    assert "says no dtype, and optimum-neuron goes by that alone" in text
    assert "says dtype 'float8'" in refusal({**MIXTRAL, "dtype": "float8"}, delegated="num_cores")[1]


@pytest.mark.parametrize("model_type", ["t5", "whisper"])
def test_models_in_two_parts_are_loaded_in_the_dtype_that_is_asked_for(model_type):
    task = {"t5": "text2text-generation", "whisper": "automatic-speech-recognition"}[model_type]
    assert exported({"model_type": model_type}, task=task).dtype is None


def test_a_task_that_a_family_lacks_is_told_who_has_it():
    _, text = refusal({"model_type": "deberta"}, task="multiple-choice")
    assert "'deberta' isn't supported for multiple-choice" in text
    assert "deberta-v2" in text.partition("supported: ")[2]
    assert " deberta," not in text


@pytest.mark.parametrize(("model_type", "task"), [("whisper", "speech-seq2seq"), ("wav2vec2", "automatic-speech-recognition")])
def test_speech_recognition_is_what_the_family_does_of_it(model_type, task):
    made = make_subject({"model_type": model_type}, task="automatic-speech-recognition")
    assert made.task.name == task
    assert made.model.auto_class == TASKS[task].auto_class


def test_what_another_family_calls_speech_recognition_is_refused_for_letters():
    _, text = refusal({"model_type": "wav2vec2"}, task="speech-seq2seq")
    assert text == "model type 'wav2vec2' isn't supported for speech-seq2seq; supported: whisper"


def test_a_model_that_brings_its_own_classes_is_refused():
    key, text = refusal({**BERT, "auto_map": {"AutoModel": "own.Model"}})
    assert key == "model"
    assert "Python code of its own" in text


def test_the_document_says_what_the_worker_must_make():
    document = document_of(make_subject(BERT, task="question-answering").model)
    assert document["auto_class"] == "AutoModelForQuestionAnswering"
    assert document["outputs"] == ["start_logits", "end_logits"]
    assert document["attention"] == "sdpa"
    assert document["config"]["hidden_size"] == 384
    assert not {"sentence_modules", "code"} & set(document)


def test_python_files_that_come_with_the_model_are_part_of_it():
    assert make_subject(BERT, task="fill-mask", code={"own.py": "1" * 64}).model.code == {"own.py": "1" * 64}


@pytest.mark.parametrize(("model_type", "names"), [("bert", 3), ("roberta", 2), ("distilbert", 2)])
def test_inputs_are_those_of_the_family(model_type, names):
    action = make_action(config={"model_type": model_type}, task="fill-mask")
    given = [entry["name"] for entry in action.document["inputs"]]
    assert given == ["input_ids", "attention_mask", "token_type_ids"][:names]


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({"model_type": "bert", "max_position_embeddings": 128}, 128),
        ({"model_type": "bert"}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "modernbert"}, 8192),
        ({"model_type": "bert", "max_position_embeddings": None}, None),
    ],
)
def test_the_longest_sequence_follows_from_the_config(config, longest):
    assert make_subject(config, task="fill-mask").longest == longest


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "isn't finite"),
        ([1, float("inf")], "isn't finite"),
        ("\ud800", "half a character"),
        (deep(2_000), "too deep"),
    ],
)
def test_a_value_that_no_key_can_hold_is_named(value, words):
    key, text = refusal({**BERT, "strange": value})
    assert key == "model"
    assert "'strange' holds" in text
    assert words in text


def test_a_value_that_is_dropped_may_be_anything():
    assert make_subject({**BERT, "initializer_range": float("nan")}, task=None).model == make_subject(BERT, task=None).model


def test_more_layers_than_can_be_compiled_are_refused():
    _, text = refusal({**BERT, "num_hidden_layers": 10**9})
    assert text == "its config says num_hidden_layers: 1,000,000,000; at most 10,000 are compiled"


SPECTROGRAMS = {"model_type": "audio-spectrogram-transformer", "num_mel_bins": 64, "max_length": 512}


def test_features_of_spectrograms_have_just_the_frames_that_the_config_says():
    made = make_subject(SPECTROGRAMS, task="audio-classification")
    assert made.misfit("audio_sequence_length", 512) is None
    for other in (511, 513, 16000):
        assert made.misfit("audio_sequence_length", other) == (
            "audio_sequence_length must be 512: this model reads features of just so many frames"
        )


def test_sound_of_which_no_frame_is_left_is_too_short():
    made = make_subject({"model_type": "wav2vec2"}, task="audio-classification")
    assert made.misfit("audio_sequence_length", 400) is None
    assert "too short" in made.misfit("audio_sequence_length", 399)
