from __future__ import annotations

from pathlib import Path

import pytest

from neuronbuild.errors import UsageError
from neuronbuild.models.pushing import Push, read_push


@pytest.mark.parametrize(
    ("place", "repository_id", "said", "push"),
    [
        ("org/mine", None, {}, Push("org/mine")),
        (None, "org/mine", {}, Push("org/mine")),
        ("saved", "mine", {"use_auth_token": True}, Push("mine", "saved", token=True)),
        (Path("saved"), "mine", {"token": "hf_x", "use_auth_token": "hf_x"}, Push("mine", "saved", token="hf_x")),
        (None, "mine", {"save_directory": "saved", "private": None, "endpoint": None}, Push("mine", "saved")),
        ("org/mine", None, {"save_directory": "saved", "private": False}, Push("org/mine", "saved", private=False)),
        (
            "org/mine",
            None,
            {"revision": "v1", "endpoint": "http://hub"},
            Push("org/mine", revision="v1", endpoint="http://hub"),
        ),
    ],
)
def test_a_push_is_said_in_our_words_or_in_those_of_optimum_neuron(place, repository_id, said, push):
    assert read_push(place, repository_id, said) == push


@pytest.mark.parametrize(
    ("place", "repository_id", "said", "words"),
    [
        (None, None, {}, "no repository is named"),
        (None, None, {"save_directory": "saved"}, "no repository is named"),
        ("", None, {}, "no repository is named"),
        ("saved", "mine", {"save_directory": "other"}, "the folder can't be two things"),
        ("mine", None, {"token": "hf_secret", "use_auth_token": "hf_other"}, "token and use_auth_token can't be two things"),
        ("mine", None, {"privat": True}, "unknown argument 'privat'; did you mean 'private'"),
    ],
)
def test_a_push_that_cant_be_is_told_without_a_token_of_it(place, repository_id, said, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_push(place, repository_id, said)
    assert "hf_" not in str(caught.value)
