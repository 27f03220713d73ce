"""Rewrite neuronbuild/plan/family_defaults.py from the transformers installed: `python tests/tools/family_defaults.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from pprint import pformat

import transformers

from neuronbuild.plan.config import is_dropped
from neuronbuild.plan.derived import DERIVED
from neuronbuild.tasks import FAMILIES

TARGET = Path(__file__).parents[2] / "neuronbuild" / "plan" / "family_defaults.py"

FIRST = (
    "Config values that transformers assumes where a config is silent, by model type. Data, written by `make family-defaults`."
)

TEXT = """\"\"\"{first}

Taken from transformers {version}; a test compares it with the version installed.
\"\"\"

from __future__ import annotations

DEFAULTS: dict[str, dict[str, object]] = {table}
"""


def family_defaults() -> dict[str, dict[str, object]]:
    """What the installed transformers assumes, without what decides nothing and what follows from other values."""
    return {family: _defaults(family) for family in FAMILIES}


def _defaults(family: str) -> dict[str, object]:
    values = transformers.CONFIG_MAPPING[family]().to_dict()
    return _kept(values, family)


def _kept(values: dict[str, object], family: str) -> dict[str, object]:
    return {
        key: _kept(value, str(value["model_type"])) if isinstance(value, dict) and "model_type" in value else value
        for key, value in sorted(values.items())
        if not is_dropped(key, family) and key not in DERIVED.get(family, ())
    }


if __name__ == "__main__":
    table = pformat(family_defaults(), width=1, sort_dicts=False)
    TARGET.write_text(TEXT.format(first=FIRST, version=transformers.__version__, table=table), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", str(TARGET)], check=True)
