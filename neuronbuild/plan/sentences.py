"""The modules of a sentence-transformers model: what the graph does with the embeddings of tokens.

The rules are those of sentence-transformers 6.2. A module, key or value that isn't known here is refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from neuronbuild.tasks.checking import (
    Check,
    SettingError,
    checked,
    is_anything,
    is_flag,
    is_length,
    one_of,
)
from neuronbuild.tasks.sentences import MODULES

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSFORMER, POOLING, NORMALIZE, DROPOUT = "Transformer", "Pooling", "Normalize", "Dropout"

LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Modes by the keys that older versions wrote, in the order in which their embeddings are put together."""

WIDTHS = ("hidden_size", "dim", "emb_dim")
"""Keys under which families say how wide the embedding of a token is."""


FLAGS = (True, False)


def _is_modes(value: object) -> bool:
    """Whether a value is a mode, or several."""
    modes = value if isinstance(value, list) else [value]
    return bool(modes) and all(mode in LEGACY_MODES.values() for mode in modes)


OF_ENTRY: dict[str, Check] = {
    **dict.fromkeys(("name", "path", "type"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("idx", "kwargs"), is_anything),  # arguments that `encode` may be given: it refuses them itself
}
OF_POOLING: dict[str, Check] = {
    **dict.fromkeys(LEGACY_MODES, is_flag),
    "pooling_mode": _is_modes,
    "embedding_dimension": is_length,
    "word_embedding_dimension": is_length,
    "include_prompt": one_of(*FLAGS),
}
OF_NORMALIZE: dict[str, Check] = {
    "module_input_name": one_of("sentence_embedding"),
    "module_output_name": one_of(None, "sentence_embedding"),
}
CONFIGS: dict[str, dict[str, Check]] = {POOLING: OF_POOLING, NORMALIZE: OF_NORMALIZE, DROPOUT: {"dropout": is_anything}}
"""What the config of each module may hold. `Dropout` does nothing outside training."""


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of `modules.json`: the name of its class, and the folder that it is saved in."""

    kind: str
    path: str

    @property
    def config_file(self) -> str:
        """The path of its config."""
        return f"{self.path}/config.json" if self.path else "config.json"


def read_modules(document: object) -> list[Module]:
    """The modules that a `modules.json` lists, in order.

    Raises:
        SettingError: it is no list of modules, or one of them is of another package.
    """
    listed = document.get("") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise SettingError(MODULES, "it holds no list of modules")
    entries = [cast("dict[str, str]", checked(MODULES, entry, OF_ENTRY)) for entry in listed]
    lacking = [name for entry in entries for name in ("name", "path", "type") if name not in entry]
    if lacking:
        raise SettingError(MODULES, f"a module has no {lacking[0]}")
    if len({entry["name"] for entry in entries}) < len(entries):
        raise SettingError(MODULES, "two modules have the same name")
    foreign = [entry["type"] for entry in entries if not entry["type"].startswith("sentence_transformers.")]
    if foreign:
        raise SettingError(MODULES, f"module {foreign[0]!a:.80} isn't one of sentence-transformers' own")
    return [Module(entry["type"].rpartition(".")[2], entry["path"]) for entry in entries]


def module_files(document: object) -> list[str]:
    """The configs of modules besides the transformer's, as a `modules.json` names them; none where it can't be understood."""
    try:
        return [module.config_file for module in read_modules(document) if module.kind != TRANSFORMER]
    except SettingError:
        return []


def make_steps(documents: Mapping[str, object], config: Mapping[str, object]) -> list[dict[str, object]]:
    """What the graph does after the transformer of a config, by a model's JSON files.

    Without modules it pools as the library does by default: the last token of a decoder, else the mean of all.

    Raises:
        SettingError: a module, key or value isn't known.
    """
    if MODULES not in documents:
        return [_pooling(["lasttoken" if _is_decoder(config) else "mean"])]
    modules = read_modules(documents[MODULES])
    kinds = [module.kind for module in modules]
    strange = [kind for kind in kinds if kind not in {TRANSFORMER, *CONFIGS}]
    if strange:
        raise SettingError(MODULES, f"module {strange[0]!r} of sentence-transformers isn't supported")
    if kinds[:2] != [TRANSFORMER, POOLING] or {TRANSFORMER, POOLING} & {*kinds[2:]}:
        listing = ", ".join(kinds)
        raise SettingError(MODULES, f"the modules must be a Transformer, a Pooling, then others; they are {listing}")
    steps = []
    for module in modules[1:]:
        stated = checked(module.config_file, documents.get(module.config_file, {}), CONFIGS[module.kind])
        if module.kind == POOLING:
            steps.append(_read_pooling(module.config_file, stated, config))
        elif module.kind == NORMALIZE:
            steps.append({"kind": NORMALIZE})
    return steps


def leaves_prompts_out(steps: list[dict[str, object]]) -> bool:
    """Whether the tokens of a prompt aren't pooled: the graph then must be told which those are."""
    return any(step.get("include_prompt") is False for step in steps)


def _read_pooling(file: str, stated: Mapping[str, object], config: Mapping[str, object]) -> dict[str, object]:
    width = stated.get("embedding_dimension", stated.get("word_embedding_dimension"))
    if width is None:
        raise SettingError(file, "it has no embedding_dimension")
    own = next((config[key] for key in WIDTHS if key in config), width)
    if own != width:
        raise SettingError(file, f"embeddings of tokens are {width} wide, but the transformer's are {own}")
    modes = stated.get("pooling_mode", [mode for key, mode in LEGACY_MODES.items() if stated.get(key)] or ["mean"])
    return _pooling(modes if isinstance(modes, list) else [modes], include_prompt=stated.get("include_prompt") is not False)


def _pooling(modes: list[object], *, include_prompt: bool = True) -> dict[str, object]:
    return {"kind": POOLING, "modes": modes, "include_prompt": include_prompt}


def _is_decoder(config: Mapping[str, object]) -> bool:
    names = config.get("architectures")
    first = str(names[0]) if isinstance(names, list) and names else ""
    return first.endswith("ForCausalLM") and bool(config.get("is_causal", True))
