from __future__ import annotations

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.digest import digest_json

FINGERPRINT = Fingerprint("inductor", "cpu", {"torch": "2.13.0", "g++": "14.2.0"}, {"march": "x86-64-v3"})


def test_what_was_written_is_a_copy():
    written = FINGERPRINT.as_json()
    written["versions"]["torch"] = "other"
    assert FINGERPRINT.versions["torch"] == "2.13.0"


def test_the_order_of_versions_makes_no_difference():
    other = Fingerprint("inductor", "cpu", {"g++": "14.2.0", "torch": "2.13.0"}, {"march": "x86-64-v3"})
    assert digest_json(other.as_json()) == digest_json(FINGERPRINT.as_json())
