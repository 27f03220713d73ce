from __future__ import annotations

import errno
import os

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.guard import MAY_READ, READING, SPACE, WRITING, guarded


@pytest.mark.parametrize(
    ("number", "hints", "advice"),
    [
        (errno.EACCES, READING, MAY_READ),
        (errno.ENOSPC, WRITING, SPACE),
        (errno.ENOSPC, READING, None),
        (errno.EIO, WRITING, None),
    ],
)
def test_what_the_system_says_is_told_with_advice_for_what_was_tried(number, hints, advice):
    text = os.strerror(number)
    with pytest.raises(StoreError) as error, guarded("/place", hints):
        raise OSError(number, text, "/place/file")
    assert (error.value.message, error.value.hint) == (f"store /place: /place/file: {text}", advice)


def test_of_a_rename_the_place_is_told_that_it_goes_to():
    with pytest.raises(StoreError, match="/to: "), guarded("/place"):
        raise OSError(errno.EIO, "Input/output error", "/from", None, "/to")
