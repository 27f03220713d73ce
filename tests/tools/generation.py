"""Requests to generate, drawn by seed, and whether two models answer them alike."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers.utils import ModelOutput

from neuronbuild.errors import NeuronBuildError

if TYPE_CHECKING:
    from collections.abc import Callable

SPEECH_SETTINGS = {
    "no_timestamps_token_id": 80,
    "is_multilingual": True,
    "lang_to_id": {"<|en|>": 6, "<|de|>": 7},
    "task_to_id": {"transcribe": 8, "translate": 9},
    "prev_sot_token_id": 10,
    "alignment_heads": [[0, 0]],
    "max_length": 20,
}
"""What Whisper's own checkpoints say of their special tokens, for a vocabulary of a hundred words."""


@dataclass
class Request:
    """What is asked for: inputs, arguments, and settings that stand in a file of the model's folder.

    `supported` says that it must be answered; the others may be answered or refused. `encoded` says that the encoder's
    outputs are given instead of its inputs. `again` are tokens to go on with, over the cache that the first answer gave back:
    at the end of the whole sequences, or, with `alone`, by themselves.
    """

    inputs: dict[str, Any]
    arguments: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    file: str = "generation_config.json"
    supported: bool = True
    encoded: bool = False
    again: torch.Tensor | None = None
    alone: bool = False


class Draw:
    """Choices of one seed."""

    def __init__(self, seed: int, kind: str) -> None:
        self.kind = kind
        self.choose = random.Random(f"{kind} {seed}")
        self.tokens = torch.Generator().manual_seed(seed)

    def request(self) -> Request:
        """One request, of a few settings each."""
        arguments, supported = {**self.length(), **self.mode()}, True
        for some in self.choose.sample(PARTS, self.choose.randint(0, 3)):
            arguments |= some(self)
        if self.choose.random() < 0.25:
            arguments |= self.choose.choice(STRANGE)(self)
            supported = False
        if self.kind == "speech":
            return self.speech(arguments, supported)
        inputs, right_sized = self.prompts()
        fits = right_sized and len(inputs["input_ids"]) * rows_each(arguments) <= 4
        request = Request(inputs, arguments, supported=supported and fits)
        if self.choose.random() < 0.3:
            self.into_file(request)
        elif supported and self.choose.random() < 0.3:
            request.arguments = {**request.arguments, "max_new_tokens": 5, "return_dict_in_generate": True}
            request.again = self.ids(len(inputs["input_ids"]), self.choose.randint(1, 3))
            request.alone = self.choose.random() < 0.5
        self.more_inputs(request)
        return request

    def more_inputs(self, request: Request) -> None:
        """Positions that begin elsewhere, an answer's beginning, or what the encoder gave."""
        ids, one = request.inputs["input_ids"], self.choose.random()
        if self.kind == "text" and one < 0.1 and "attention_mask" in request.inputs:
            request.inputs["position_ids"] = (request.inputs["attention_mask"].cumsum(1) + 1).clamp(max=40)
        if self.kind == "answers":
            request.encoded = one > 0.9
            if one < 0.2 and request.again is None:
                request.inputs["decoder_input_ids"] = self.ids(len(ids), self.choose.randint(1, 3))

    def ids(self, rows: int, length: int) -> torch.Tensor:
        """Tokens that are no special ones."""
        return torch.randint(12, 78, (rows, length), generator=self.tokens)

    def prompts(self) -> tuple[dict[str, torch.Tensor], bool]:
        """Tokens with padding before or after some, and a mask of it or none; and whether they are of a size that fits."""
        rows, length = self.choose.choice([1, 1, 2, 2, 3]), self.choose.choice([1, 2, 5, 9, 9, 12, 12, 12, 40])
        ids = self.ids(rows, length)
        mask = torch.ones_like(ids)
        side = self.choose.choice(["left", "left", "right", "none"])
        for row in range(1 if side != "none" else rows, rows):
            padded = self.choose.randrange(length)
            place = slice(0, padded) if side == "left" else slice(length - padded, length)
            ids[row, place], mask[row, place] = 0, 0
        given = {"input_ids": ids} | ({"attention_mask": mask} if self.choose.random() < 0.8 else {})
        return given, length < 40

    def speech(self, arguments: dict[str, Any], supported: bool) -> Request:
        """Recordings, up to one that is longer than the model hears at once."""
        long = self.choose.random() < 0.25
        rows = 1 if long else self.choose.choice([1, 2])
        features = torch.randn((rows, 8, 90 if long else 40), generator=self.tokens)
        for name in ("max_length", "temperature", "do_sample", "forced_bos_token_id", "num_return_sequences"):
            arguments.pop(name, None)  # Whisper has ways of its own for these
        arguments |= {"max_new_tokens": self.choose.randint(2, 8)} | ({"return_timestamps": True} if long else {})
        for some in self.choose.sample(SPEECH, self.choose.randint(0, 3)):
            arguments |= some(self)
        fits = rows * rows_each(arguments) <= 4
        return Request({"input_features": features}, arguments, dict(SPEECH_SETTINGS), supported=supported and fits)

    def into_file(self, request: Request) -> None:
        """Settings move from the call to a file of the model's, as older and newer models have them."""
        request.file = self.choose.choice(["generation_config.json", "config.json"])
        plain = [name for name, value in request.arguments.items() if isinstance(value, int | float | list)]
        known = transformers.GenerationConfig().to_dict()
        for name in plain:
            if name in known:
                request.settings[name] = request.arguments.pop(name)

    def length(self) -> dict[str, Any]:
        """How much is wanted."""
        new = self.choose.randint(1, 9)
        return self.choose.choice(
            [
                {"max_new_tokens": new},
                {"max_new_tokens": new, "min_new_tokens": self.choose.randint(1, new)},
                {"max_length": 21},
                {},
            ]
        )

    def mode(self) -> dict[str, Any]:
        """One of the modes that need the scores of the last token only."""
        one = self.choose.choice(["greedy", "greedy", "sample", "beams", "beams", "beam-sample"])
        if one == "greedy":
            return {"do_sample": False}
        if one == "sample":
            return {"do_sample": True, **self.warpers(), **self.choose.choice([{}, {"num_return_sequences": 2}])}
        beams = self.choose.choice([2, 2, 2, 2, 3])
        found = {"num_beams": beams, "num_return_sequences": self.choose.randint(1, 2)}
        found |= self.choose.choice([{}, {"length_penalty": 0.4}, {"early_stopping": True}, {"early_stopping": "never"}])
        return found | ({"do_sample": True, **self.warpers()} if one == "beam-sample" else {"do_sample": False})

    def warpers(self) -> dict[str, Any]:
        """What samples are drawn from."""
        all_of_them = [
            ("temperature", 0.7), ("top_k", 9), ("top_p", 0.8), ("min_p", 0.005), ("typical_p", 0.9), ("top_h", 0.5),
            ("epsilon_cutoff", 0.003), ("eta_cutoff", 0.003),
        ]  # fmt: skip
        return dict(self.choose.sample(all_of_them, 2))


def rows_each(arguments: dict[str, Any]) -> int:
    """Rows that each input takes."""
    return max(arguments.get("num_beams", 1), arguments.get("num_return_sequences", 1))


PARTS = [
    lambda _: {"repetition_penalty": 1.4},
    lambda _: {"no_repeat_ngram_size": 2},
    lambda _: {"encoder_repetition_penalty": 1.3},
    lambda _: {"encoder_no_repeat_ngram_size": 2},
    lambda draw: {"bad_words_ids": draw.ids(20, 1).tolist()},
    lambda draw: {"sequence_bias": [[[int(token)], 4.0] for token in draw.ids(1, 3)[0]]},
    lambda draw: {"suppress_tokens": draw.ids(1, 25)[0].tolist()},
    lambda draw: {"begin_suppress_tokens": draw.ids(1, 40)[0].tolist()},
    lambda draw: {"eos_token_id": draw.ids(1, 12)[0].tolist()},
    lambda draw: {"forced_bos_token_id": int(draw.ids(1, 1))},
    lambda draw: {"forced_eos_token_id": int(draw.ids(1, 1))},
    lambda _: {"exponential_decay_length_penalty": [2, 1.5]},
    lambda _: {"renormalize_logits": True},
    lambda _: {"remove_invalid_values": True},
    lambda _: {"min_length": 15},
    lambda _: {"use_cache": False},
    lambda _: {"return_dict_in_generate": True, "output_scores": True},
    lambda _: {"return_dict_in_generate": True, "output_logits": True},
    lambda _: {"return_dict_in_generate": True, "use_cache": False},
    lambda _: {"prefix_allowed_tokens_fn": lambda _, ids: list(range(20 + ids.shape[-1] % 3, 60))},
    lambda _: {"logits_processor": [Odd()]},
    lambda _: {"stopping_criteria": [Enough()]},
]
"""Settings and arguments that transformers itself takes care of."""

STRANGE = [
    lambda _: {"prompt_lookup_num_tokens": 3},
    lambda _: {"assistant_early_exit": 1},
    lambda _: {"penalty_alpha": 0.6, "top_k": 4, "do_sample": False, "num_beams": 1, "num_return_sequences": 1},
    lambda _: {"dola_layers": "low"},
    lambda _: {"num_beam_groups": 2, "num_beams": 2, "diversity_penalty": 0.5},
    lambda _: {"force_words_ids": [[14]], "num_beams": 2},
    lambda _: {"use_mtp": True},
    lambda _: {"guidance_scale": 1.5},
    lambda _: {"output_attentions": True, "return_dict_in_generate": True},
    lambda _: {"output_hidden_states": True, "return_dict_in_generate": True},
    lambda _: {"is_assistant": True},
    lambda _: {"cache_implementation": "static"},
    lambda _: {"cache_implementation": "quantized"},
    lambda _: {"prefill_chunk_size": 3},
    lambda _: {"low_memory": True},
    lambda _: {"token_healing": True},
    lambda _: {"stop_strings": ["a"]},
    lambda _: {"max_new_tokens": 0},
    lambda _: {"max_new_tokens": 500},
    lambda _: {"num_beams": 40},
    lambda _: {"num_return_sequences": 3, "do_sample": False, "num_beams": 1},
    lambda _: {"custom_generate": "somebody/decoding"},
    lambda _: {"custom_generate": lambda model, **_: model},
    lambda _: {"synced_gpus": True},
    lambda _: {"inputs_embeds": torch.zeros((1, 3, 32))},
    lambda _: {"token_type_ids": torch.zeros((1, 3), dtype=torch.int64)},
    lambda _: {"past_key_values": transformers.DynamicCache()},
    lambda _: {"decoder_attention_mask": torch.zeros((1, 1), dtype=torch.int64)},
    lambda _: {"max_new_tokns": 3},
]
"""What is refused by us, by transformers, or has no consequence."""

SPEECH = [
    lambda draw: {"language": draw.choose.choice(["en", "german"])},
    lambda _: {"task": "translate", "language": "de"},
    lambda _: {"return_timestamps": True},
    lambda _: {"return_segments": True, "return_timestamps": True},
    lambda _: {"return_dict_in_generate": True},
    lambda _: {"return_dict_in_generate": True, "output_scores": True},
    lambda _: {"temperature": (0.0, 0.8), "compression_ratio_threshold": 0.2, "logprob_threshold": -0.1},
    lambda _: {"temperature": 0.6},
    lambda _: {"temperature": 0.0, "no_speech_threshold": 0.001, "logprob_threshold": -0.5},
    lambda draw: {"prompt_ids": torch.cat([torch.tensor([10]), draw.ids(1, 3)[0]])},
    lambda _: {"condition_on_prev_tokens": True},
]
"""What Whisper has of its own."""


class Odd(transformers.LogitsProcessor):
    """Odd tokens alone."""

    def __call__(self, input_ids, scores):
        """Scores of even ones are taken away."""
        return scores.masked_fill(torch.arange(scores.shape[-1]) % 2 == 0, -torch.inf)


class Enough(transformers.StoppingCriteria):
    """A few tokens are."""

    def __call__(self, input_ids, scores, **_):
        """Rows end at a length."""
        return torch.full((len(input_ids),), input_ids.shape[1] % 7 == 0)


@dataclass
class Pair:
    """A compiled model and the eager one, in whose folder each request's settings are written first.

    The folder is the eager model's own, with its config in `plain_config.json` as it was saved.
    """

    folder: Path
    model_class: type
    eager_class: type
    buckets: tuple
    sessions: Any

    def write(self, request: Request) -> None:
        """Have the folder say what a request has it say."""
        folder = self.folder
        config = json.loads((folder / "plain_config.json").read_text())
        (folder / "generation_config.json").unlink(missing_ok=True)
        special = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id") if name in config}
        starts = {"decoder_start_token_id": config["decoder_start_token_id"]} if "decoder_start_token_id" in config else {}
        if request.file == "config.json":
            config |= request.settings
        else:
            (folder / request.file).write_text(json.dumps({**special, **starts, **request.settings}))
        (folder / "config.json").write_text(json.dumps(config))

    def open(self) -> Any:
        """Ours, as the folder says."""
        index, sound = SimpleNamespace(bindings={}), {"refuse_altered": lambda: None}
        made = self.model_class(SimpleNamespace(folder=self.folder, buckets=self.buckets, index=index, **sound))
        made.sessions = self.sessions
        return made

    def open_eager(self) -> Any:
        """The eager one."""
        return self.eager_class.from_pretrained(self.folder, attn_implementation="sdpa").eval()


def answer(open_model: Callable[[], Any], request: Request):
    """What a model gives, or the error that it raises."""
    try:
        model = open_model()
        torch.manual_seed(1)
        inputs = dict(request.inputs)
        if request.encoded:
            ids, mask = inputs.pop("input_ids"), inputs.get("attention_mask")
            inputs["encoder_outputs"] = model.get_encoder()(input_ids=ids, attention_mask=mask)
        made = model.generate(**inputs, **request.arguments)
        return made if request.again is None else (made, go_on(model, request, made))
    except Exception as error:  # noqa: BLE001 (whatever it is: which kinds are right is seen by `difference`)
        return error


def go_on(model, request: Request, made: ModelOutput):
    """What a model gives to more tokens, over the cache that it gave back."""
    ids = request.again.repeat_interleave(max(1, len(made.sequences) // len(request.again)), 0)
    how = {"max_new_tokens": 4, "do_sample": False, "num_beams": 1, "past_key_values": made.past_key_values}
    if "input_ids" in request.inputs and model.config.is_encoder_decoder:
        return model.generate(**request.inputs, decoder_input_ids=ids, **how)
    whole = torch.cat([made.sequences, ids], 1)
    if request.alone:
        return model.generate(whole[:, -len(ids[0]) - 1 :], attention_mask=torch.ones_like(whole), **how)
    return model.generate(whole, **how)


def difference(got, expected, request: Request) -> str | None:
    """What isn't right about an answer, beside the eager one."""
    if isinstance(got, Exception):
        if isinstance(got, NeuronBuildError):
            return f"refused: {got}" if request.supported and not isinstance(expected, Exception) else None
        return None if type(got) is type(expected) else f"raised {got!r}, eager: {expected!r}"
    if isinstance(expected, Exception):
        return f"answered, where eager raised {expected!r}"
    return unequal(got, expected)


def unequal(got, expected, name: str = "answer") -> str | None:
    """Where two answers differ, numbers of floating point by more than rounding."""
    if name == "past_key_values":
        return None if (got is None) == (expected is None) else "only one has a cache"
    if isinstance(expected, dict | ModelOutput):
        if set(got) != set(expected):
            return f"{name} has {sorted(got)}, not {sorted(expected)}"
        parts = ((got[key], expected[key], key) for key in expected)
    elif isinstance(expected, tuple | list):
        if len(got) != len(expected):
            return f"{name} has {len(got)} parts, not {len(expected)}"
        parts = ((*pair, name) for pair in zip(got, expected, strict=True))
    elif isinstance(expected, torch.Tensor):
        same = got.shape == expected.shape and torch.allclose(got.double(), expected.double(), atol=1e-4, equal_nan=True)
        return None if same else f"{name} is {got}, not {expected}"
    else:
        return None if got == expected else f"{name} is {got}, not {expected}"
    return next((told for part in parts if (told := unequal(*part))), None)
