"""neuronx-cc's flags: which there are, and the exact list that an action hands over.

https://awsdocs-neuron.readthedocs-hosted.com/en/latest/compiler/neuronx-cc/api-reference-guide/index.html
A list, never a string: values hold spaces and quotes. One spelling each (`--flag=value`), defaults written out, so that
a default that changes from one compiler to the next changes no key that names it, and no result behind an equal key.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from neuronbuild.platforms import PLATFORMS
from neuronbuild.sdks import SDKS, minor_of
from neuronbuild.toolchain.base import OptionError

if TYPE_CHECKING:
    from neuronbuild.recipe.target import Options

OURS = {
    "--target": ("platforms",),
    "--auto-cast": ("compiler", "auto_cast"),
    "--auto-cast-type": ("compiler", "auto_cast_type"),
    "--optlevel": ("compiler", "optlevel"),
}
"""Flags that a recipe has keys for: said twice they could say two things."""

NOBODYS = ("--framework", "--output", "--logfile", "--verbose", "--cache_dir", "--no_cache", "--retry_failed_compilation")
"""Flags about where a compile happens: they are set by whoever runs it, and are in no key."""

VALUES: dict[str, tuple[str, ...] | None] = {
    "--model-type": ("generic", "transformer", "unet-inference"),
    "--lnc": ("1", "2"),
    "--distribution-strategy": ("llm-training", "NEMO"),
    "--enable-mixed-precision-accumulation": (),
    "--disable-mixed-precision-accumulation": (),
    "--enable-saturate-infinity": (),
    "--enable-fast-context-switch": (),
    "--enable-fast-loading-neuron-binaries": (),
    "--native-int64": ("default", "enabled", "disabled"),
    "--implicit-integer-downcast": None,
    # in AWS's own code, and in no reference
    "--tensorizer-options": None,
    "--internal-hlo2tensorizer-options": None,
    "--internal-backend-options": None,
    "--internal-enable-dge-levels": None,
    "--internal-disable-fma-on-ios": (),
    "--hbm-scratchpad-page-size": None,
    "--enable-internal-neff-wrapper": (),
    "--execute-repetition": None,
    "--disable-dge": (),
}
"""What else may be said: the values of each flag, `()` for one that takes none, `None` for any."""

FIRST = {"--native-int64": 27, "--implicit-integer-downcast": 27, "--disable-mixed-precision-accumulation": 22}
"""The minor version of the compiler that first knows a flag, of those that are newer than the oldest release we know.

Values need no table: `fp8_e4m3` is known from 2.5 on (its release notes of March 2023), which is older than all of these."""

ALIASES = {"--logical-nc-config": "--lnc", "-lnc": "--lnc", "-O": "--optlevel"}

NOT_TRANSFORMERS = (
    "convnext", "convnextv2", "cvt", "hubert", "levit", "mobilenet_v2", "mobilevit", "unispeech", "unispeech-sat", "wav2vec2",
    "wavlm",
)  # fmt: skip
"""Model types that aren't mostly attention: the compiler's heuristics for transformers aren't for them."""

CASTS = {"none": "none", "matmul": "matmult", "all": "all"}
"""Our word, which optimum-neuron's users know, and the compiler's."""

EXTRA = ("compiler", "extra_args")


def arguments(options: Options, compiler: str, model_type: str) -> list[str]:
    """The `compiler_args` for a model of that type, for a version of the compiler.

    Raises:
        OptionError: this compiler knows no such flag, value or platform.
    """
    minor, platform = minor_of(compiler), options.platform
    refuse_platform(platform, minor)
    chosen = {
        "--target": platform,
        "--model-type": "generic" if model_type in NOT_TRANSFORMERS else "transformer",
        "--auto-cast": CASTS[options.auto_cast],
        "--optlevel": str(options.optlevel),
        **_defaults(platform, minor),
    }
    if options.auto_cast != "none":
        chosen["--auto-cast-type"] = options.auto_cast_type
    for flag, value in split(options.extra_args):
        _refuse_unknown(flag, value, platform, minor)
        chosen[flag] = value
        if flag == "--disable-mixed-precision-accumulation":
            chosen.pop("--enable-mixed-precision-accumulation", None)
    return [f"{flag}={value}" if value else flag for flag, value in sorted(chosen.items())]


def refuse_platform(platform: str, minor: int) -> None:
    """Stop at a platform that a compiler doesn't list.

    Raises:
        OptionError: it is too old for it.
    """
    first = PLATFORMS[platform].first_compiler
    if minor < first:
        able = [sdk.release for sdk in SDKS.values() if minor_of(sdk.neuronx_cc) >= first]
        problem = f"neuronx-cc 2.{minor} doesn't compile for {platform}; use SDK {able[-1]} or newer (`sdk:`)"
        raise OptionError(("platforms",), problem)


def _defaults(platform: str, minor: int) -> dict[str, str]:
    """What this version does where it isn't told, and another version may do otherwise."""
    found = {}
    if PLATFORMS[platform].joins_cores:
        found["--lnc"] = "2"
    if minor >= FIRST["--disable-mixed-precision-accumulation"]:  # off, and not to be said, before
        found["--enable-mixed-precision-accumulation"] = ""
    if minor >= FIRST["--native-int64"]:  # the next versions are announced to do the opposite of both
        found["--implicit-integer-downcast"] = "all"
        if PLATFORMS[platform].joins_cores:
            found["--native-int64"] = "disabled"
    return found


def split(extra: tuple[str, ...]) -> list[tuple[str, str]]:
    """Flags and values of a list that has them in one string each or in two, under one spelling.

    Raises:
        OptionError: a value stands without a flag.
    """
    found: list[tuple[str, str]] = []
    for word in extra:
        if not word.startswith("-"):
            if not found or found[-1][1]:
                raise OptionError(EXTRA, f"{word!r} is no flag; write `--flag=value`, one string a flag")
            found[-1] = (found[-1][0], word)
        elif word.startswith("-O") and word[2:]:
            found.append(("--optlevel", word[2:]))
        else:
            flag, _, value = word.partition("=")
            found.append((ALIASES.get(flag, flag), value))
    return found


def _refuse_unknown(flag: str, value: str, platform: str, minor: int) -> None:
    if flag in OURS:
        raise OptionError(EXTRA, f"{flag} is said by the recipe's key {'.'.join(OURS[flag])}: set that instead")
    if flag in NOBODYS:
        raise OptionError(EXTRA, f"{flag} says where a compile happens, which is neuronbuild's to say: leave it out")
    if flag not in VALUES:
        near = difflib.get_close_matches(flag, VALUES, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(VALUES))}"
        raise OptionError(EXTRA, f"neuronx-cc has no flag {flag}; {advice}")
    if minor < FIRST.get(flag, 0):
        raise OptionError(
            EXTRA, f"{flag} came with neuronx-cc 2.{FIRST[flag]}, this is 2.{minor}: leave it out, or use a newer SDK"
        )
    allowed = VALUES[flag]
    if allowed is not None and value not in (allowed or ("",)):
        raise OptionError(EXTRA, f"{flag} takes {' or '.join(allowed) if allowed else 'no value'}, not {value!r}")
    if flag == "--lnc" and value == "2" and not PLATFORMS[platform].joins_cores:
        able = [name for name, row in PLATFORMS.items() if row.joins_cores]
        raise OptionError(EXTRA, f"--lnc=2 is for {' and '.join(able)}; {platform} has no cores to join: leave it out")
