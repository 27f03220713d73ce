"""What a server answered that is no answer of an object store, such as a proxy's page, as text for people."""

from __future__ import annotations

import re

TAG = re.compile(r"<[^<>]*>")
FIRST_WORDS = 80


def first_words(page: bytes) -> str:
    """How a page begins, for people: without its tags, and without what could move a terminal's cursor."""
    return printable(TAG.sub(" ", page.decode(errors="replace")))[:FIRST_WORDS]


def printable(text: str) -> str:
    """A text in one line, without what can't be printed."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
