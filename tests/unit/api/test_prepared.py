from __future__ import annotations

from dataclasses import fields

from neuronbuild.api.prepared import Prepared


def test_it_holds_what_a_release_needs():
    names = [field.name for field in fields(Prepared)]
    assert names == ["located", "options", "model", "subject", "fingerprint", "steps"]
