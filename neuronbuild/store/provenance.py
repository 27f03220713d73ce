"""Who made an artifact, and when."""

from __future__ import annotations

import datetime

from neuronbuild.artifact.manifest import Provenance
from neuronbuild.version import __version__


def provenance(seconds: float) -> Provenance:
    """This tool, now; `seconds` is what the work took."""
    now = datetime.datetime.now(tz=datetime.UTC).replace(microsecond=0, tzinfo=None)
    return Provenance(f"neuronbuild {__version__}", f"{now.isoformat()}Z", round(seconds, 3))
