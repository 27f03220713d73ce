from __future__ import annotations

from neuronbuild.store.objects.pages import FIRST_WORDS, first_words, printable


def test_a_page_is_shown_by_its_first_words_without_its_tags():
    assert first_words(b"<html><h1>Sign in</h1>\n to the <b>network</b>") == "Sign in to the network"
    assert len(first_words(b"word " * 100)) <= FIRST_WORDS


def test_nothing_that_moves_a_cursor_is_shown():
    assert printable("a\x1b[2Jb\r\nc") == "a [2Jb c"
