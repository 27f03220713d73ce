from __future__ import annotations

from neuronbuild.toolchain.setup import Setup


def test_notes_are_kept_between_builds(tmp_path):
    assert Setup(tmp_path).notes.parent == tmp_path


def test_nothing_is_pinned_unless_said(tmp_path):
    setup = Setup(tmp_path)
    assert (setup.sdk, setup.python, dict(setup.versions)) == (None, None, {})
