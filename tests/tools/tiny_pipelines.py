"""Tiny diffusion pipelines of random weights, which diffusers can load: `python tiny_pipelines.py FOLDER`.

Run by an interpreter that has diffusers and transformers.
"""

import json
import pathlib
import sys

import diffusers
import tokenizers
import torch
import transformers

WIDTH, WORDS, LENGTH = 32, 64, 16


def tokenizer():
    """Words by number."""
    words = {f"w{number}": number for number in range(WORDS - 3)} | {"<s>": WORDS - 3, "</s>": WORDS - 2, "<unk>": WORDS - 1}
    return tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))


def clip_tokenizer(folder):
    """In CLIP's own form: a vocabulary and merges."""
    folder.mkdir(parents=True)
    words = {f"w{number}</w>": number for number in range(WORDS - 2)} | {
        "<|startoftext|>": WORDS - 2,
        "<|endoftext|>": WORDS - 1,
    }
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=LENGTH)


def t5_tokenizer():
    """In the form of tokenizers, since SentencePiece's files can't be made by hand."""
    names = {"unk_token": "<unk>", "pad_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer(), model_max_length=2 * LENGTH, **names)


def clip_encoder():
    config = transformers.CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=WORDS,
        max_position_embeddings=LENGTH, projection_dim=WIDTH, bos_token_id=WORDS - 2, eos_token_id=WORDS - 1,
    )  # fmt: skip
    return transformers.CLIPTextModel(config)


def t5_encoder():
    config = transformers.T5Config(d_model=WIDTH, d_kv=16, d_ff=64, num_layers=1, num_heads=2, vocab_size=WORDS)
    return transformers.T5EncoderModel(config)


def coder(channels=4):
    return diffusers.AutoencoderKL(
        block_out_channels=[32, 32, 32, 32], in_channels=3, out_channels=3, latent_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )  # fmt: skip


def stable_diffusion(folder):
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
    )  # fmt: skip
    return diffusers.StableDiffusionPipeline(
        vae=coder(), text_encoder=clip_encoder(), tokenizer=clip_tokenizer(folder / "words"), unet=unet,
        scheduler=diffusers.DDIMScheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def flux(folder, kind=diffusers.FluxPipeline):
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    return kind(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=coder(1), text_encoder=clip_encoder(),
        tokenizer=clip_tokenizer(folder / "words"), text_encoder_2=t5_encoder(), tokenizer_2=t5_tokenizer(),
        transformer=transformer,
    )  # fmt: skip


def flux_inpainting(folder):
    return flux(folder, diffusers.FluxInpaintPipeline)


def pixart(folder):
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=8, num_layers=1, patch_size=2, attention_head_dim=8, num_attention_heads=3, caption_channels=WIDTH,
        in_channels=4, cross_attention_dim=24, out_channels=8, attention_bias=True, activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000, norm_type="ada_norm_single", norm_elementwise_affine=False, norm_eps=1e-6,
    )  # fmt: skip
    return diffusers.PixArtAlphaPipeline(
        tokenizer=t5_tokenizer(), text_encoder=t5_encoder(), transformer=transformer, vae=coder(),
        scheduler=diffusers.DDIMScheduler(),
    )  # fmt: skip


def main(root):
    torch.manual_seed(0)
    for make in (stable_diffusion, flux, flux_inpainting, pixart):
        folder = pathlib.Path(root) / make.__name__
        make(folder.with_name(f"{make.__name__}-parts")).save_pretrained(folder)


main(*sys.argv[1:])
