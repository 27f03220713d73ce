from __future__ import annotations

import datetime

from neuronbuild.store.provenance import provenance
from neuronbuild.version import __version__


def test_it_names_the_tool_and_its_version():
    assert provenance(1.0).tool == f"neuronbuild {__version__}"


def test_times_are_in_utc_to_the_second():
    text = provenance(1.0).built_at
    built = datetime.datetime.fromisoformat(text)
    assert text.endswith("Z")
    assert built.microsecond == 0
    assert abs(datetime.datetime.now(tz=datetime.UTC) - built) < datetime.timedelta(minutes=1)


def test_seconds_are_told_to_the_millisecond():
    assert provenance(1.23456).seconds == 1.235
