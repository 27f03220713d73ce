from __future__ import annotations

import contextlib

import pytest
import transformers
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING

from neuronbuild.tasks import preprocessing_files


@pytest.fixture(scope="module")
def installed():
    from tests.tools.preprocessing_files import preprocessing_files

    return preprocessing_files()


@pytest.mark.parametrize("name", ["VOCABULARIES", "SETTINGS", "TEMPLATES", "FOLDERS"])
def test_the_table_is_what_the_installed_transformers_reads(installed, name):
    assert getattr(preprocessing_files, name) == installed[name], "run `make preprocessing-files`"


def test_the_files_of_every_tokenizer_that_can_be_imported_are_in_the_table():
    known = {*preprocessing_files.VOCABULARIES, *preprocessing_files.SETTINGS}
    named: set[str] = set()
    for each in filter(None, TOKENIZER_MAPPING.values()):
        with contextlib.suppress(ImportError):  # a library that it needs isn't installed
            named |= {*getattr(each, "vocab_files_names", {}).values()}
    assert len(named) > 10
    assert named <= known


def test_no_file_stands_in_two_rows():
    assert not {*preprocessing_files.VOCABULARIES} & {*preprocessing_files.SETTINGS}
    assert transformers.utils.CHAT_TEMPLATE_FILE in preprocessing_files.SETTINGS
