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
DENSE, LAYER_NORM = "Dense", "LayerNorm"

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
ACTIVATIONS = {
    f"torch.nn.{place}{name}": name
    for name in (
        "ELU",
        "GELU",
        "Hardswish",
        "Identity",
        "LeakyReLU",
        "Mish",
        "ReLU",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Softplus",
        "Tanh",
    )
    for place in ("", "modules.linear." if name == "Identity" else "modules.activation.")
}
"""Classes of torch that need no argument, by the names that files give them."""

TANH = "torch.nn.Tanh"
"""The library's own activation, where a file names none."""


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
OF_DENSE: dict[str, Check] = {
    **OF_NORMALIZE,
    "in_features": is_length,
    "out_features": is_length,
    "bias": one_of(*FLAGS),
    "activation_function": one_of(*ACTIVATIONS),
    "use_residual": one_of(*FLAGS),
}
CONFIGS: dict[str, dict[str, Check]] = {
    POOLING: OF_POOLING,
    NORMALIZE: OF_NORMALIZE,
    DENSE: OF_DENSE,
    LAYER_NORM: {"dimension": is_length},
    DROPOUT: {"dropout": is_anything},
}
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
    return [Module(entry["type"].rpartition(".")[2], entry["path"].rstrip("/")) for entry in entries]


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
    steps: list[dict[str, object]] = []
    width: object = None
    for module in modules[1:]:
        stated = checked(module.config_file, documents.get(module.config_file, {}), CONFIGS[module.kind])
        if module.kind in MAKERS:
            step, width = MAKERS[module.kind](module, stated, _width(config) if module.kind == POOLING else width)
            steps.append(step)
    return steps


def leaves_prompts_out(steps: list[dict[str, object]]) -> bool:
    """Whether the tokens of a prompt aren't pooled: the graph then must be told which those are."""
    return any(step.get("include_prompt") is False for step in steps)


def _width(config: Mapping[str, object]) -> object:
    """How wide the embeddings of tokens are, if the config says so."""
    return next((config[key] for key in WIDTHS if key in config), None)


Made = tuple[dict[str, object], object]
"""A step, and how wide the embeddings are after it."""


def _read_pooling(module: Module, stated: Mapping[str, object], width: object) -> Made:
    own = stated.get("embedding_dimension", stated.get("word_embedding_dimension"))
    _refuse_misfit(module, "embedding_dimension", own, width)
    modes = stated.get("pooling_mode", [mode for key, mode in LEGACY_MODES.items() if stated.get(key)] or ["mean"])
    modes = modes if isinstance(modes, list) else [modes]
    step = _pooling(modes, include_prompt=stated.get("include_prompt") is not False)
    return step, own * len(modes) if isinstance(own, int) else None


def _read_normalize(_: Module, _stated: Mapping[str, object], width: object) -> Made:
    return {"kind": NORMALIZE}, width


def _read_dense(module: Module, stated: Mapping[str, object], width: object) -> Made:
    _refuse_misfit(module, "in_features", stated.get("in_features"), width)
    _refuse_misfit(module, "out_features", stated.get("out_features"), stated.get("out_features"))
    step = {
        **_with_weights(module),
        "in_features": stated["in_features"],
        "out_features": stated["out_features"],
        "bias": stated.get("bias", True),
        "activation": ACTIVATIONS[str(stated.get("activation_function", TANH))],
        "use_residual": stated.get("use_residual", False),
    }
    return step, stated["out_features"]


def _read_layer_norm(module: Module, stated: Mapping[str, object], width: object) -> Made:
    _refuse_misfit(module, "dimension", stated.get("dimension"), width)
    return {**_with_weights(module), "dimension": stated["dimension"]}, width


MAKERS = {POOLING: _read_pooling, NORMALIZE: _read_normalize, DENSE: _read_dense, LAYER_NORM: _read_layer_norm}
"""What each module that does something becomes."""


def _with_weights(module: Module) -> dict[str, object]:
    """Kind and folder of a module that has weights: the folder names it in the graph, where no other name begins so."""
    if not module.path[:1].isdigit() or "." in module.path:
        problem = f"module {module.kind} lies in {module.path!a:.80}; a folder's name such as 2_{module.kind} is expected"
        raise SettingError(MODULES, problem)
    return {"kind": module.kind, "path": module.path}


def _refuse_misfit(module: Module, key: str, stated: object, width: object) -> None:
    """Stop at a width that isn't that of what comes in."""
    if stated is None:
        raise SettingError(module.config_file, f"it has no {key}")
    if width is not None and stated != width:
        raise SettingError(module.config_file, f"{key} is {stated}, but what comes in is {width} wide")


def _pooling(modes: list[object], *, include_prompt: bool = True) -> dict[str, object]:
    return {"kind": POOLING, "modes": modes, "include_prompt": include_prompt}


def _is_decoder(config: Mapping[str, object]) -> bool:
    names = config.get("architectures")
    first = str(names[0]) if isinstance(names, list) and names else ""
    return first.endswith("ForCausalLM") and bool(config.get("is_causal", True))
