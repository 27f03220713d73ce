from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.recipe.target import Options
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.flags import arguments, split

PLAIN = Options("inf2", "none", "bf16", 2, (), "inline", "float32", 1, dynamic_batch_size=False)
CASTING = replace(PLAIN, auto_cast="matmul")


def flags(options=PLAIN, compiler="2.26.6360.0", model_type="bert", **changes):
    return arguments(replace(options, **changes), compiler, model_type)


def test_the_list_for_a_text_model():
    assert flags() == [
        "--auto-cast=none", "--enable-mixed-precision-accumulation", "--model-type=transformer", "--optlevel=2",
        "--target=inf2",
    ]  # fmt: skip


@pytest.mark.parametrize("platform", ["inf2", "trn1", "trn1n", "trn2", "trn3"])
def test_the_target_is_always_said(platform):
    assert f"--target={platform}" in flags(platform=platform)


@pytest.mark.parametrize("compiler", ["2.16.372.0", "2.21.33363.0", "2.22.12471.0", "2.28.7631.0"])
def test_a_cast_is_always_said_since_its_default_changed(compiler):
    assert "--auto-cast=none" in flags(compiler=compiler)


@pytest.mark.parametrize(("ours", "theirs"), [("matmul", "matmult"), ("all", "all")])
def test_a_cast_is_told_in_the_compilers_word_with_its_type(ours, theirs):
    said = flags(auto_cast=ours)
    assert f"--auto-cast={theirs}" in said
    assert "--auto-cast-type=bf16" in said


def test_a_type_without_a_cast_says_nothing():
    assert flags(auto_cast_type="fp16") == flags()


def test_cores_are_joined_where_they_can_be_and_the_default_is_written_out():
    assert "--lnc=2" in flags(platform="trn2")
    assert not any("lnc" in word for word in flags())
    assert "--lnc=1" in flags(platform="trn2", extra_args=("--logical-nc-config", "1"))


@pytest.mark.parametrize(("compiler", "said"), [("2.26.6360.0", False), ("2.27.5334.0", True), ("2.28.7631.0", True)])
def test_what_the_next_compilers_will_do_otherwise_is_written_out(compiler, said):
    words = flags(compiler=compiler, platform="trn2")
    assert ("--native-int64=disabled" in words, "--implicit-integer-downcast=all" in words) == (said, said)


def test_accumulation_is_written_out_from_the_version_that_can_be_told_otherwise():
    assert "--enable-mixed-precision-accumulation" not in flags(compiler="2.21.33363.0")
    words = flags(extra_args=("--disable-mixed-precision-accumulation",))
    assert "--enable-mixed-precision-accumulation" not in words


def test_a_model_that_is_no_transformer_isnt_called_one():
    assert "--model-type=generic" in flags(model_type="wav2vec2")
    assert "--model-type=unet-inference" in flags(extra_args=("--model-type=unet-inference",))


@pytest.mark.parametrize("extra", [("--enable-saturate-infinity", "--lnc=1"), ("--lnc", "1", "--enable-saturate-infinity")])
def test_order_and_spelling_make_no_difference(extra):
    assert flags(platform="trn2", extra_args=extra) == flags(
        platform="trn2", extra_args=("--lnc=1", "--enable-saturate-infinity")
    )


def test_a_value_with_blanks_stays_one_word():
    word = "--tensorizer-options=--enable-ccop-compute-overlap --vectorize-strided-dma"
    assert word in flags(extra_args=(word,))


@pytest.mark.parametrize(
    ("changes", "keys", "message"),
    [
        ({"extra_args": ("--target=trn1",)}, ("compiler", "extra_args"), "recipe's key platforms"),
        ({"extra_args": ("-O1",)}, ("compiler", "extra_args"), "recipe's key compiler.optlevel"),
        ({"extra_args": ("--auto-cast", "all")}, ("compiler", "extra_args"), "recipe's key compiler.auto_cast"),
        ({"extra_args": ("--logfile=x",)}, ("compiler", "extra_args"), "leave it out"),
        (
            {"extra_args": ("--enable-saturate-infinty",)},
            ("compiler", "extra_args"),
            "did you mean --enable-saturate-infinity?",
        ),
        ({"extra_args": ("--hum",)}, ("compiler", "extra_args"), "no flag --hum"),
        ({"extra_args": ("generic",)}, ("compiler", "extra_args"), "'generic' is no flag"),
        ({"extra_args": ("--model-type=cnn",)}, ("compiler", "extra_args"), "takes generic or transformer"),
        ({"extra_args": ("--enable-saturate-infinity=1",)}, ("compiler", "extra_args"), "takes no value"),
        ({"extra_args": ("--lnc=2",)}, ("compiler", "extra_args"), "--lnc=2 is for trn2 and trn3; inf2 has no cores to join"),
        ({"extra_args": ("--lnc=2",), "platform": "trn1"}, ("compiler", "extra_args"), "trn1 has no cores to join"),
        ({"extra_args": ("--native-int64=enabled",)}, ("compiler", "extra_args"), "came with neuronx-cc 2.27"),
        ({"platform": "trn3", "compiler": "2.23.6484.0"}, ("platforms",), "use SDK 2.29.0 or newer"),
        ({"platform": "trn2", "compiler": "2.15.128.0"}, ("platforms",), "use SDK 2.21.1 or newer"),
    ],
)
def test_what_a_compiler_cant_do_is_told_with_the_way_out(changes, keys, message):
    compiler = changes.pop("compiler", "2.26.6360.0")
    with pytest.raises(OptionError, match=message.replace("?", r"\?").replace("--", "--")) as caught:
        flags(compiler=compiler, **changes)
    assert caught.value.keys == keys


def test_words_are_split_into_flags_and_values():
    assert split(("--a=1", "--b", "2", "-O3", "-lnc=1")) == [("--a", "1"), ("--b", "2"), ("--optlevel", "3"), ("--lnc", "1")]
