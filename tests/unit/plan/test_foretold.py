from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.plan.foretold import Warned, foretold
from neuronbuild.plan.troubles import SDXL, TROUBLES
from neuronbuild.sdks import LAST_WITH_TRACE, SDKS
from tests.unit.plan.cases import OPTIONS

TRACED = ("convbert", "hubert", "wav2vec2", "yolos", "bert")
EARLIER = {"convbert", "wav2vec2", "yolos"}
ALL = {*EARLIER, "hubert"}


def crashing(framework: str) -> set[str]:
    """Families that end the tracer."""
    found = {family: foretold({"torch-neuronx": framework}, family, OPTIONS) for family in TRACED}
    return {family for family, trouble in found.items() if trouble is not None and trouble.outcome == "crash"}


@pytest.mark.parametrize(
    ("release", "families"),
    [
        ("2.26.1", set()), ("2.27.0", EARLIER), ("2.28.1", EARLIER), ("2.29.0", EARLIER), ("2.29.1", EARLIER),
        ("2.30.0", set()), ("2.31.0", ALL), ("2.31.1", ALL), ("2.33.0", ALL),
    ],
)  # fmt: skip
def test_families_that_end_the_tracer_are_known_by_release(release, families):
    assert crashing(SDKS[release].torch_neuronx[0]) == families


def test_it_is_the_framework_package_that_counts_whatever_the_compiler_and_the_build():
    versions = {"neuronx-cc": SDKS["2.32.0"].neuronx_cc, "torch-neuronx": f"{LAST_WITH_TRACE}+de43f57c"}
    assert foretold(versions, "hubert", OPTIONS) is not None


def test_another_torch_of_the_same_release_is_not_known_to_do_so():
    assert [crashing(framework) for framework in SDKS["2.27.0"].torch_neuronx] == [EARLIER, set(), set()]


@pytest.mark.parametrize("versions", [{}, {"torch": "2.13.0"}, {"torch-neuronx": "2.13.3.0.1"}])
def test_nothing_is_foretold_of_other_toolchains(versions):
    assert foretold(versions, "yolos", OPTIONS) is None


@pytest.mark.parametrize("kind", SDXL)
def test_weights_apart_are_refused_of_sdxl_alone(kind):
    apart, inline = (replace(OPTIONS, weights=weights) for weights in ("separate", "inline"))
    versions = {"torch-neuronx": SDKS["2.26.1"].torch_neuronx[0]}
    assert foretold(versions, kind, apart).outcome == "refused"
    assert foretold(versions, kind, inline) is None
    assert foretold(versions, "StableDiffusionPipeline", apart) is None


def test_a_warning_says_what_where_who_says_so_and_what_to_do():
    trouble = TROUBLES[0]
    warned = Warned("faces", "inf2", trouble, 3)
    assert str(warned) == f"faces on inf2: {trouble.problem} ({trouble.source}); {trouble.advice}"
    assert warned.as_json() == {
        "recipe": "faces", "platform": "inf2", "steps": 3, "message": trouble.problem, "advice": trouble.advice,
        "source": trouble.source,
    }  # fmt: skip
