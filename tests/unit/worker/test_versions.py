from __future__ import annotations

import importlib.metadata
import platform

from neuronbuild.worker.versions import versions


def test_packages_that_are_installed_have_their_versions_and_others_none():
    assert versions(["torch", "no-such-package"]) == {
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
    }
