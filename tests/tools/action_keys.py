"""The golden action keys; `python -m tests.tools.action_keys` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

from neuronbuild.artifact.fingerprint import Fingerprint
from tests.unit.plan.cases import BERT, make_action

GOLDEN = Path(__file__).parents[1] / "golden" / "action_keys.json"

ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
MODERNBERT = {"model_type": "modernbert", "num_hidden_layers": 28, "hidden_size": 1024, "global_rope_theta": 160000.0}
ESM = {"model_type": "esm", "vocab_size": 33, "pad_token_id": 1, "token_dropout": True, "position_embedding_type": "rotary"}
MODULES = {
    "": [
        {"name": str(i), "path": f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(("Transformer", "Pooling", "Normalize"))
    ]
}
MEAN = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
SENTENCES = {"modules.json": MODULES, "1_Pooling/config.json": MEAN}
CPU = {
    "fingerprint": Fingerprint("inductor", "cpu", {"torch": "2.13.0", "g++": "14.2.0"}, {"march": "x86-64-v3"}),
    "platform": "cpu",
    "extra_args": (),
}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 576,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "num_hidden_layers": 30,
    "vocab_size": 49152,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
}
T5 = {"model_type": "t5", "d_model": 512, "num_layers": 6, "num_heads": 8, "vocab_size": 32128}
WHISPER = {"model_type": "whisper", "num_mel_bins": 80, "max_source_positions": 1500, "vocab_size": 51865}
BEAMS = {"batch_size": 1, "num_beams": 4, "sequence_length": 128}
CACHE = {"batch_size": 1, "num_beams": 2, "prefill_length": 64, "sequence_length": 512}
INF1 = {"fingerprint": Fingerprint("neuron", "inf1", {"neuron-cc": "1.24.0"}), "platform": "inf1", "extra_args": ()}
WEIGHTS = {"model.safetensors": "5" * 64}

DEBERTA = {"model_type": "deberta", "vocab_size": 50265, "type_vocab_size": 0}
XLM = {"model_type": "xlm", "n_words": 64139, "emb_dim": 1024}
VIT = {"model_type": "vit", "hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
LEVIT = {"model_type": "levit", "architectures": ["LevitForImageClassificationWithTeacher"], "num_labels": 1000}
MOBILEVIT = {"model_type": "mobilevit", "image_size": 512, "num_labels": 21, "output_stride": 16}
YOLOS = {"model_type": "yolos", "hidden_size": 192, "image_size": [800, 1333], "num_labels": 91}
CLIP = {
    "model_type": "clip",
    "text_config": {"model_type": "clip_text_model", "eos_token_id": 2, "is_decoder": False, "top_k": 50},
    "vision_config": {"patch_size": 16},
}
TEXTS_AND_IMAGES = {"text_batch_size": 8, "image_batch_size": 1, "sequence_length": 77}
WAV2VEC2 = {"model_type": "wav2vec2", "conv_bias": True, "do_stable_layer_norm": True, "num_labels": 12, "mask_time_prob": 0.0}
AST = {"model_type": "audio-spectrogram-transformer", "num_labels": 527}
SOUND = {"batch_size": 1, "audio_sequence_length": 16000}

SD = {
    "_class_name": "StableDiffusionPipeline",
    "model_type": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
PICTURES = {
    "config": SD,
    "graph": "model",
    "sizes": {"batch_size": 1, "height": 512, "width": 512, "num_images_per_prompt": 1, "sequence_length": 77},
    "weights": {"unet/diffusion_pytorch_model.safetensors": "5" * 64, "lora_0/ink.safetensors": "7" * 64},
    "fingerprint": Fingerprint("optimum", "inf2", {"optimum-neuron": "0.4.5"}),
    "compiler": {"arguments": ["--task", "text-to-image"], "num_cores": 1, "libraries": {"diffusers": "0.35.2"}},
}

CASES = {
    "feature-extraction on cpu": {"config": BERT, **CPU},
    "feature-extraction on cpu, cast": {"config": BERT, **CPU, "auto_cast": "all", "auto_cast_type": "fp16"},
    "feature-extraction on cpu, other batch": {"config": BERT, **CPU, "sizes": {"batch_size": 8, "sequence_length": 64}},
    "sentence-similarity on cpu": {"config": BERT, **CPU, "documents": SENTENCES},
    "sentence-similarity of a plain model": {"config": MODERNBERT, "auto_cast": "none"},
    "fill-mask on inf2, weights apart": {"config": ROBERTA},
    "fill-mask on inf2, weights inside": {"config": ROBERTA, "weights": WEIGHTS},
    "fill-mask of proteins": {"config": ESM, "dtype": "bfloat16"},
    "text-classification on inf1": {"config": BERT, "weights": WEIGHTS, **INF1},
    "text-classification on inf2, larger batches": {"config": BERT, "dynamic_batch_size": True, "optlevel": 3},
    "token-classification on inf2": {"config": BERT, "extra_args": ("--enable-saturate-infinity", "--model-type=generic")},
    "question-answering on inf2": {"config": ROBERTA, "sizes": {"batch_size": 1, "sequence_length": 384}},
    "text-generation on cpu, prefill": {"config": LLAMA, **CPU, "graph": "prefill", "sizes": CACHE},
    "text-generation on cpu, decode": {"config": LLAMA, **CPU, "graph": "decode", "sizes": CACHE},
    "text2text-generation on cpu, encoder": {"config": T5, **CPU, "graph": "encoder", "sizes": BEAMS},
    "text2text-generation on cpu, decoder": {"config": T5, **CPU, "graph": "decoder", "sizes": BEAMS},
    "speech-seq2seq on cpu, encoder": {"config": WHISPER, **CPU, "graph": "encoder", "sizes": BEAMS},
    "speech-seq2seq on cpu, decoder": {"config": WHISPER, **CPU, "graph": "decoder", "sizes": BEAMS},
    "image-classification on cpu": {"config": VIT, **CPU, "sizes": {"batch_size": 4}},
    "image-classification on cpu, larger images": {
        "config": VIT,
        **CPU,
        "sizes": {"batch_size": 4, "width": 384, "height": 384},
    },
    "image-classification with a teacher": {"config": LEVIT, "sizes": {"batch_size": 1}},
    "semantic-segmentation on cpu": {"config": MOBILEVIT, **CPU, "sizes": {"batch_size": 1}},
    "sentence-similarity on inf2": {"config": BERT, "documents": SENTENCES, "weights": WEIGHTS},
    "zero-shot-image-classification on inf2": {"config": CLIP, "sizes": TEXTS_AND_IMAGES, "weights": WEIGHTS},
    "fill-mask of a model without token types": {"config": DEBERTA, "weights": WEIGHTS},
    "fill-mask on cpu, token types among the words": {"config": XLM, **CPU},
    "object-detection on inf2": {"config": YOLOS, "sizes": {"batch_size": 1}},
    "zero-shot-image-classification on cpu": {"config": CLIP, **CPU, "sizes": TEXTS_AND_IMAGES},
    "audio-classification on cpu": {"config": WAV2VEC2, **CPU, "sizes": SOUND},
    "audio-classification of spectrograms": {"config": AST, "sizes": {"batch_size": 2, "audio_sequence_length": 1024}},
    "automatic-speech-recognition on cpu": {"config": WAV2VEC2, **CPU, "sizes": SOUND},
    "audio-frame-classification on cpu": {"config": WAV2VEC2, **CPU, "sizes": SOUND},
    "audio-xvector on inf2": {"config": WAV2VEC2, "sizes": SOUND, "weights": WEIGHTS},
    "multiple-choice on cpu": {"config": BERT, **CPU, "sizes": {"batch_size": 2, "sequence_length": 128, "num_choices": 4}},
    "text-to-image on inf2": PICTURES,
    "image-to-image on inf2": PICTURES,
    "inpainting on inf2": PICTURES,
}


def compute_keys() -> dict[str, str]:
    """The key of every case, as this version makes it."""
    return {name: make_action(**{"task": name.partition(" ")[0], **case}).key for name, case in CASES.items()}


def read_golden() -> dict[str, str]:
    """The keys as they were written."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(compute_keys(), indent=2) + "\n", encoding="utf-8")
