"""Tiny configs of every family that reads images or sound, and shapes to compile them for."""

from __future__ import annotations

import json
from pathlib import Path

from neuronbuild.tasks import FAMILIES, TASKS
from neuronbuild.tasks.audio import AUDIO_TASKS
from neuronbuild.tasks.images import IMAGE_TASKS

ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIGHT = {"image_size": 32, "patch_size": 8}
SPEECH = {
    **ENCODER,
    "conv_dim": [16, 16, 16],
    "conv_kernel": [5, 3, 2],
    "conv_stride": [4, 2, 2],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 16,
    "tdnn_dim": [16, 16, 24],
    "tdnn_kernel": [3, 3, 1],
    "tdnn_dilation": [1, 2, 1],
    "xvector_output_dim": 16,
    "vocab_size": 32,
}
WORDS = {**ENCODER, "vocab_size": 120, "max_position_embeddings": 32, "projection_dim": 16, "eos_token_id": 3}

CONFIGS: dict[str, dict[str, object]] = {
    "audio-spectrogram-transformer": {**ENCODER, "patch_size": 8, "max_length": 40, "num_mel_bins": 24},
    "beit": {**ENCODER, **SIGHT, "use_relative_position_bias": True},
    "clip": {
        "text_config": WORDS,
        "vision_config": {**ENCODER, **SIGHT, "projection_dim": 16},
        "projection_dim": 16,
    },
    "convnext": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "image_size": 32},
    "convnextv2": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "image_size": 32},
    "cvt": {"embed_dim": [8, 16, 24], "num_heads": [1, 2, 3], "depth": [1, 2, 3]},
    "deit": {**ENCODER, **SIGHT},
    "hubert": SPEECH,
    "levit": {
        "image_size": 64,
        "hidden_sizes": [16, 24, 32],
        "num_attention_heads": [2, 3, 4],
        "depths": [1, 1, 1],
        "key_dim": [8, 8, 8],
    },
    "mobilenet_v2": {"image_size": 32, "depth_multiplier": 0.25, "min_depth": 4, "finegrained_output": False},
    "mobilevit": {
        "image_size": 64,
        "hidden_sizes": [16, 24, 32],
        "neck_hidden_sizes": [4, 4, 8, 8, 12, 16, 32],
        "num_attention_heads": 2,
        "aspp_out_channels": 16,
        "atrous_rates": [1, 2, 3],
    },
    "swin": {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4},
    "unispeech": SPEECH,
    "unispeech-sat": SPEECH,
    "vit": {**ENCODER, **SIGHT},
    "wav2vec2": SPEECH,
    "wavlm": SPEECH,
    "yolos": {**ENCODER, "image_size": [32, 48], "patch_size": 8, "num_detection_tokens": 5},
}

OF_IMAGES = {"batch_size": 2}
OF_SOUND = {"batch_size": 2, "audio_sequence_length": 400}
SHAPES: dict[str, dict[str, int]] = {
    **{task.name: OF_IMAGES for task in IMAGE_TASKS},
    **{task.name: OF_SOUND for task in AUDIO_TASKS},
    "zero-shot-image-classification": {"text_batch_size": 3, "image_batch_size": 2, "sequence_length": 24},
}
OWN_SHAPES: dict[str, dict[str, int]] = {
    "audio-spectrogram-transformer": {"batch_size": 2, "audio_sequence_length": 40},
    "cvt": {"batch_size": 2, "height": 64, "width": 64},
}
"""Families whose sizes their config doesn't say, or fixes."""

SAMPLES: dict[str, str] = {
    "image-classification": "vit",
    "semantic-segmentation": "mobilevit",
    "object-detection": "yolos",
    "zero-shot-image-classification": "clip",
    "audio-classification": "wav2vec2",
    "automatic-speech-recognition": "wav2vec2",
    "audio-frame-classification": "wav2vec2",
    "audio-xvector": "wav2vec2",
}
"""The family that stands for each task where it is compiled for real."""

SQUARE = {"size": {"height": 32, "width": 32}}
PROCESSORS: dict[str, dict[str, object]] = {
    "vit": {"image_processor_type": "ViTImageProcessor", **SQUARE},
    "mobilevit": {
        "image_processor_type": "MobileViTImageProcessor",
        "size": {"shortest_edge": 72},
        "crop_size": {"height": 64, "width": 64},
    },
    "yolos": {"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 32, "longest_edge": 48}},
    "clip": {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    },
    "wav2vec2": {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000, "do_normalize": True},
    "audio-spectrogram-transformer": {
        "feature_extractor_type": "ASTFeatureExtractor",
        "sampling_rate": 16000,
        "num_mel_bins": 24,
        "max_length": 40,
    },
    "whisper": {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "sampling_rate": 16000,
        "feature_size": 8,
        "hop_length": 400,
        "n_fft": 400,
        "chunk_length": 1,
    },
}


def make_sense_model(folder: Path, task: str, family: str, *, seed: int = 0, **changes) -> Path:
    """Save a tiny model of seeded random weights, with its processor where one is known."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.CONFIG_MAPPING[family](**{**CONFIGS[family], **changes})
    model = getattr(transformers, TASKS[task].auto_class).from_config(config)
    with torch.no_grad():  # fresh weights have scales of one and biases of zero, which hide what goes wrong with them
        for tensor in (*model.parameters(), *(each for each in model.buffers() if each.is_floating_point())):
            tensor.add_(0.05 * torch.rand(tensor.shape))
    model.save_pretrained(folder)
    if family in PROCESSORS:
        (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[family]))
    if task == "automatic-speech-recognition":
        write_letters(folder)
    if family == "clip":
        write_pieces(folder)
    return folder


def write_letters(folder: Path) -> None:
    """A tokenizer of letters, as models of speech have it."""
    words = ["<pad>", "<s>", "</s>", "<unk>", "|", *map(chr, range(97, 123)), "'"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Wav2Vec2CTCTokenizer"}))


def write_whisper_parts(folder: Path) -> None:
    """An extractor of the features of one second in 40 frames; and, instead of any other, a tokenizer over single letters,
    the last twenty tokens of which are timestamps.
    """
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS["whisper"]))
    (folder / "vocab.txt").unlink()
    own = ["<|pad|>", "<|unk|>", "<|startoftext|>", "<|endoftext|>", "<|startoftranscript|>"]
    letters = [chr(code) for code in range(97, 123)]
    words = [*own, *letters, *(f"Ġ{letter}" for letter in letters), "Ġ"]
    words += [*(f"!{number}" for number in range(99 - len(words))), "<|notimestamps|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = {f"{name}_token": word for name, word in zip(("pad", "unk", "bos", "eos"), own, strict=False)}
    further = {"additional_special_tokens": [own[-1], words[-1]]}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer", **names, **further}))
    file = folder / "generation_config.json"
    said = {key: value for key, value in json.loads(file.read_text()).items() if key != "_from_model_config"}
    file.write_text(json.dumps({**said, "no_timestamps_token_id": words.index(words[-1])}))


def write_pieces(folder: Path) -> None:
    """CLIP's tokenizer over single letters."""
    letters = [chr(code) for code in range(97, 123)]
    words = ["!", "<|startoftext|>", "<|pad|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 24, **names})
    )


CASES = {
    (family, task): (config, OWN_SHAPES.get(family, SHAPES[task]))
    for family, config in CONFIGS.items()
    for task in FAMILIES[family].tasks
}
