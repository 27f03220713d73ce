from __future__ import annotations

import pytest

from neuronbuild.plan.family_defaults import DEFAULTS
from neuronbuild.tasks import FAMILIES


@pytest.fixture(scope="module")
def installed():
    from tests.tools.family_defaults import family_defaults

    return family_defaults()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_is_what_the_installed_transformers_assumes(installed, family):
    assert DEFAULTS[family] == installed[family], "run `python -m tests.tools.family_defaults`"


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_of_the_kind_that_transformers_has(installed, family):
    assert {key: type(value) for key, value in DEFAULTS[family].items()} == {
        key: type(value) for key, value in installed[family].items()
    }


def test_the_table_has_every_family_and_no_other():
    assert DEFAULTS.keys() == FAMILIES.keys()


def test_rows_and_keys_are_sorted():
    for family, defaults in DEFAULTS.items():
        assert list(defaults) == sorted(defaults)
        assert defaults["model_type"] == family
