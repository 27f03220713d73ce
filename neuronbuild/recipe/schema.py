"""What a recipe and a workspace may say. Strict: an unknown key or a wrong type is an error, never a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from neuronbuild.platforms import DEFAULT, PLATFORMS, Platform, not_exported
from neuronbuild.recipe.words import TASK_WORDS, refuse_cast, unknown_word
from neuronbuild.tasks import ALIASES, TASKS

if TYPE_CHECKING:
    PlatformName = str
else:
    PlatformName = Literal[tuple(PLATFORMS)]
Dtype = Literal["float32", "bfloat16", "float16"]
Size = Annotated[int, Field(strict=True, ge=1, le=1 << 24)]


class KeyedError(ValueError):
    """A fault of several values together: the keys to blame, from the top of the document, then the message."""

    def __init__(self, *words: str) -> None:
        *keys, message = words
        self.keys = tuple(keys)
        super().__init__(message)


class Strict(BaseModel):
    """Base of everything that people write."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _as_whole(value: object) -> object:
    """`true` and `2.0` equal numbers, and so would be taken for them."""
    if isinstance(value, bool | float):
        raise ValueError(f"should be 1, 2 or 3, not {str(value).lower()}")  # noqa: TRY004 (pydantic takes no TypeError)
    return value


class Compiler(Strict):
    """Options of the compiler, in optimum-neuron's words."""

    auto_cast: Literal["none", "matmul", "all"] = Field("none", description="which operations may run in a lower precision")
    auto_cast_type: Literal["bf16", "fp16", "tf32", "fp8_e4m3", "fp32"] = Field(
        "bf16", description="the lower precision; fp32 goes with auto_cast none, and lowers nothing"
    )
    optlevel: Annotated[Literal[1, 2, 3], BeforeValidator(_as_whole)] = Field(
        2, description="1 compiles fastest, 3 tries hardest"
    )
    extra_args: tuple[str, ...] = Field((), strict=False, description="flags handed to the compiler as they are")
    lazy_load: bool = Field(default=False, description="load weights when they are first used, on inf2 and Trainium")
    async_load: bool = Field(default=False, description="load in the background, on inf2 and Trainium")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, int | float | str) else value


Sizes = Annotated[tuple[Size, ...], Field(strict=False, min_length=1), BeforeValidator(_as_list)]


class Shapes(BaseModel):
    """Sizes by axis, and corrections: `exclude` drops points that match it, then `include` adds points."""

    model_config = ConfigDict(extra="allow", frozen=True)

    __pydantic_extra__: dict[str, Sizes]
    exclude: tuple[dict[str, Size], ...] = Field(
        (), description="points to leave out; a partial point leaves out all that match"
    )
    include: tuple[dict[str, Size], ...] = Field((), description="further points, each with every axis of the task")

    @property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """Sizes by axis name, as written."""
        return dict(self.__pydantic_extra__)


_WEIGHTS = re.compile(r"[A-Za-z0-9][\w.-]{0,199}\.(safetensors|bin)")


class Adapter(Strict):
    """A LoRA that is fused into a diffusion pipeline before it is compiled."""

    model: str = Field(min_length=1, description="Hub id, ./folder, or package:module/subfolder")
    revision: str | None = Field(None, description="branch, tag or commit on the Hub")
    weights: str = Field("pytorch_lora_weights.safetensors", description="its file of weights")
    scale: Annotated[float, Field(strict=False, allow_inf_nan=False)] = Field(1.0, description="how strongly it counts")

    @field_validator("weights")
    @classmethod
    def _weights_are_a_file(cls, value: str) -> str:
        if not _WEIGHTS.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is no file of weights at the top of a model: give a .safetensors or .bin file")
        return value


class Network(Strict):
    """A ControlNet that is compiled beside a diffusion pipeline."""

    model: str = Field(min_length=1, description="Hub id, ./folder, or package:module/subfolder")
    revision: str | None = Field(None, description="branch, tag or commit on the Hub")


def _as_models(value: object) -> object:
    """One model for a list of one, and text for its mapping."""
    several = value if isinstance(value, list | tuple) else [value]
    return [{"model": one} if isinstance(one, str) else one for one in several]


class ReleaseSettings(Strict):
    """How the release folder is called, and how it lies."""

    name: str | None = Field(None, description="name of the folder, before the platform; default: the recipe's name")
    layout: Literal["optimum"] | None = Field(
        None, description="optimum: every shape is a folder that optimum-neuron loads by itself, on inf2 and Trainium"
    )

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, value: str | None) -> str | None:
        return value if value is None else plain_name(value)


class Recipe(Strict):
    """One recipe."""

    name: str = Field("", description="default: the file's stem, and a number from the second document on")
    model: str = Field(min_length=1, description="Hub id, ./folder, or package:module/subfolder")
    revision: str | None = Field(None, description="branch, tag or commit of a model on the Hub")
    task: str | None = Field(None, description="default: inferred from the model's config")
    platforms: tuple[PlatformName, ...] = Field((DEFAULT,), strict=False, min_length=1, description="hardware to compile for")
    compiler: Compiler = Field(default_factory=Compiler)
    shapes: Shapes = Field(default_factory=Shapes, description="the grid: the product of all axes' sizes")
    dynamic_batch_size: bool = Field(default=False, description="split larger batches over the compiled one at run time")
    weights: Literal["separate", "inline"] | None = Field(None, description="default: separate on cpu, inline on Neuron")
    num_cores: Annotated[int, Field(ge=1, le=64)] = 1
    toolchain: Literal["optimum"] | None = Field(
        None, description="optimum: on inf2 and Trainium, optimum-neuron exports the whole model. Default with num_cores > 1"
    )
    dtype: Dtype = Field("float32", description="of the weights in the graph")
    lora: Annotated[tuple[Adapter, ...], Field(strict=False), BeforeValidator(_as_models)] = Field(
        (), description="adapters fused into a diffusion pipeline"
    )
    controlnet: Annotated[tuple[Network, ...], Field(strict=False), BeforeValidator(_as_models)] = Field(
        (), description="ControlNets compiled beside a diffusion pipeline"
    )
    trust_remote_code: bool = Field(default=False, description="no code of a model is run in this version: false only")
    release: ReleaseSettings = Field(default_factory=ReleaseSettings)

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, value: str) -> str:
        return plain_name(value)

    @property
    def delegates(self) -> str:
        """The key by which optimum-neuron is to export the model, for the platforms that it does that for; empty where none."""
        if not any(PLATFORMS[platform].exporter for platform in self.platforms):
            return ""
        return "num_cores" if self.num_cores > 1 else "toolchain" if self.toolchain else ""

    @field_validator("task")
    @classmethod
    def _task_is_known(cls, value: str | None) -> str | None:
        name = value if value is None else ALIASES.get(value, value)
        if name is not None and name not in TASKS:
            raise ValueError(unknown_word("task", name, [*TASKS, *ALIASES], TASK_WORDS))
        return name

    @field_validator("platforms")
    @classmethod
    def _platforms_differ(cls, value: tuple[PlatformName, ...]) -> tuple[PlatformName, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a platform is named twice")
        return value

    @field_validator("trust_remote_code")
    @classmethod
    def _no_code_is_trusted(cls, value: bool) -> bool:  # noqa: FBT001 (pydantic's form)
        if value:
            raise ValueError("this version compiles transformers' own classes only, and runs no code of a model: leave it out")
        return value

    @model_validator(mode="after")
    def _pairs_can_work(self) -> Recipe:
        if self.compiler.auto_cast != "none" and self.compiler.auto_cast_type == "fp32":
            raise ValueError("a cast to fp32 lowers nothing; leave `auto_cast` out, or choose another auto_cast_type")
        neuron = [platform for platform in self.platforms if PLATFORMS[platform].is_neuron]
        if self.dynamic_batch_size and self.weights == "separate" and neuron:
            raise KeyedError(
                "dynamic_batch_size",
                f"dynamic_batch_size can't be had with `weights: separate` on {neuron[0]}; use `weights: inline`",
            )
        other = not_exported(self.platforms)
        if self.toolchain is not None and other:
            raise KeyedError("toolchain", f"{self.toolchain} is for inf2 and Trainium; give {other[0]} a recipe of its own")
        for row in (PLATFORMS[platform] for platform in self.platforms):
            self._refuse_misfits(row)
        return self

    def _refuse_misfits(self, row: Platform) -> None:
        """Stop at what a platform can't have."""
        if self.weights is not None and self.weights not in row.weights:
            problem = f"`weights: {self.weights}` isn't supported on {row.name}"
            raise KeyedError("weights", f"{problem}; leave `weights` out, or give {row.name} a recipe of its own")
        kind = self.compiler.auto_cast_type
        if self.compiler.auto_cast != "none" and row.casts and kind not in row.casts:
            raise KeyedError("compiler", "auto_cast_type", refuse_cast(kind, row))
        if not row.is_neuron:
            self._refuse_neurons(row.name)

    def _refuse_neurons(self, platform: str) -> None:
        """Stop at what means nothing elsewhere than on a Neuron platform."""
        for name in ("extra_args", "lazy_load", "async_load"):
            if getattr(self.compiler, name):
                message = f"compiler.{name} is for Neuron platforms; give {platform} a recipe of its own"
                raise KeyedError("compiler", name, message)
        if self.num_cores != 1:
            raise KeyedError("num_cores", f"num_cores is for Neuron platforms; give {platform} a recipe of its own")


class Limits(Strict):
    """Bounds of a build."""

    jobs: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="compiles at a time; default: one a core, at most 4"
    )
    timeout: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(7200.0, description="seconds that one compile may take")
    lease: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, description="seconds of silence after which another machine takes over what this one was building"
    )


class RemoteSettings(Strict):
    """A far store."""

    location: str = Field(min_length=1, repr=False, description="a folder, or s3://bucket/prefix")
    read_only: bool = Field(default=False, description="never write there")


def _as_remotes(value: object) -> object:
    """One location for a list of one, and text for its mapping."""
    several = value if isinstance(value, list | tuple) else [value]
    return [{"location": one} if isinstance(one, str) else one for one in several]


ToolchainName = Literal["neuronx", "neuron", "optimum", "frontend"]


class Interpreter(Strict):
    """The environment of one toolchain of the Neuron SDK."""

    python: str | None = Field(None, description="its interpreter; default: the one that runs neuronbuild")
    sdk: str | None = Field(None, description="the release in this environment, where it isn't the workspace's")
    versions: dict[str, str] = Field(
        default_factory=dict, description="versions of packages, where `sdk` doesn't say or differs"
    )


class Workspace(Strict):
    """`neuronbuild.yaml`, in the folder that commands are run from or one above it."""

    cache: str | None = Field(None, repr=False, description="the near store; default: cache/ beside this file")
    remote: Annotated[tuple[RemoteSettings, ...], Field(strict=False), BeforeValidator(_as_remotes)] = Field(
        (), description="the far store, or several: read in their order"
    )
    trusted_keys: tuple[str, ...] = Field((), strict=False, description="public keys of builders; default: all are trusted")
    signing_key: str | None = Field(None, description="file of the private key that signs what is built here")
    share_weights: tuple[str, ...] = Field(
        (), strict=False, description="models whose weights may go to far stores though they are gated or state no licence"
    )
    output: str | None = Field(None, description="folder of releases; default: releases/ beside this file")
    defaults: dict[str, object] = Field(default_factory=dict, description="keys of every recipe that doesn't set them")
    limits: Limits = Field(default_factory=Limits)
    isa: Literal["x86-64-v3", "x86-64-v4"] | None = Field(None, description="ISA level for cpu; default: the host's highest")
    sdk: str | None = Field(None, description="release of the Neuron SDK that is planned for, there or not: 2.31.0")
    toolchains: dict[ToolchainName, Interpreter] = Field(default_factory=dict, description="environments of the Neuron SDK")


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def plain_name(value: str) -> str:
    """Let a name through that can be a folder's name anywhere.

    Raises:
        ValueError: it has other characters than letters, digits, dot, dash and underscore, or over 200 of them.
    """
    if value and not _PLAIN.fullmatch(value):
        raise ValueError(f"{value[:80]!r} can't be a folder's name: use letters, digits, '.', '-' and '_', at most 200")
    return value
