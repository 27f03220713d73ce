"""Rewrite neuronbuild/tasks/preprocessing_files.py from the transformers installed: `make preprocessing-files`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING

import transformers
from transformers import utils
from transformers.integrations.mistral.constants import TEKKEN_VOCAB_FILE
from transformers.tokenization_utils_base import (
    ADDED_TOKENS_FILE,
    FULL_TOKENIZER_FILE,
    SPECIAL_TOKENS_MAP_FILE,
    TOKENIZER_CONFIG_FILE,
)
from transformers.tokenization_utils_tokenizers import TIKTOKEN_VOCAB_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(transformers.__file__).parent
TARGET = Path(__file__).parents[2] / "neuronbuild" / "tasks" / "preprocessing_files.py"

NAMES = {
    "TOKENIZER_FILE": FULL_TOKENIZER_FILE,
    "TIKTOKEN_VOCAB_FILE": TIKTOKEN_VOCAB_FILE,
    "TEKKEN_VOCAB_FILE": TEKKEN_VOCAB_FILE,
}
"""What the constants are that tables of tokenizers name."""

HOLDS_WORDS = {"vocab_file", "tokenizer_file", "spm_file", "source_spm", "src_vocab_file"}
"""Arguments without one of which a tokenizer knows no word; the others are of merges, second vocabularies and settings."""

TEXT = """\"\"\"Files that transformers' tokenizers and processors read. Data, written by `make preprocessing-files`.

Taken from transformers {version}; a test compares it with the version installed.
\"\"\"

from __future__ import annotations

VOCABULARIES: tuple[str, ...] = {vocabularies}
\"\"\"Files that hold the words of a tokenizer.\"\"\"

SETTINGS: tuple[str, ...] = {settings}
\"\"\"What tokenizers and processors read besides.\"\"\"

TEMPLATES = {templates!r}
\"\"\"The folder of further chat templates.\"\"\"

FOLDERS: tuple[str, ...] = {folders}
\"\"\"Folders of the second tokenizers that some processors have.\"\"\"
"""


def vocabulary_files() -> dict[str, set[str]]:
    """The arguments by file of every tokenizer class.

    Read from the sources, since some classes can't be imported without further libraries.
    """
    found: dict[str, set[str]] = {TEKKEN_VOCAB_FILE: {"vocab_file"}, FULL_TOKENIZER_FILE: {"tokenizer_file"}}
    for path in SOURCE.rglob("*tokenization*.py"):
        for table in _tables(ast.parse(path.read_text(encoding="utf-8"))):
            for key, value in zip(table.keys, table.values, strict=True):
                name = NAMES[value.id] if isinstance(value, ast.Name) else ast.literal_eval(value)
                found.setdefault(name, set()).add(ast.literal_eval(key))
    return found


def _tables(tree: ast.AST) -> Iterator[ast.Dict]:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        names = {target.id.lower() for target in targets if isinstance(target, ast.Name)}
        if "vocab_files_names" in names and isinstance(node.value, ast.Dict):
            yield node.value


def setting_files() -> set[str]:
    """Files whose names are constants of transformers."""
    return {
        ADDED_TOKENS_FILE,
        SPECIAL_TOKENS_MAP_FILE,
        TOKENIZER_CONFIG_FILE,
        utils.AUDIO_TOKENIZER_NAME,
        utils.CHAT_TEMPLATE_FILE,
        utils.FEATURE_EXTRACTOR_NAME,
        utils.IMAGE_PROCESSOR_NAME,
        utils.LEGACY_PROCESSOR_CHAT_TEMPLATE_FILE,
        utils.PROCESSOR_NAME,
        utils.VIDEO_PROCESSOR_NAME,
    }


def tokenizer_folders() -> set[str]:
    """The arguments of processors that are tokenizers, of which only the first one's files lie at the top."""
    folders = set()
    for path in SOURCE.rglob("processing_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                folders |= {arg.arg for arg in node.args.args if arg.arg.endswith("_tokenizer")}
    return folders - {"audio_tokenizer"}


def preprocessing_files() -> dict[str, object]:
    """The table's values by name."""
    files = vocabulary_files()
    words = {name for name, roles in files.items() if roles & HOLDS_WORDS}
    return {
        "VOCABULARIES": tuple(sorted(words)),
        "SETTINGS": tuple(sorted({*files, *setting_files()} - words)),
        "TEMPLATES": utils.CHAT_TEMPLATE_DIR,
        "FOLDERS": tuple(sorted(tokenizer_folders())),
    }


if __name__ == "__main__":
    values = preprocessing_files()
    text = {name.lower(): value if isinstance(value, str) else pformat(value, width=1) for name, value in values.items()}
    TARGET.write_text(TEXT.format(version=transformers.__version__, **text), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", str(TARGET)], check=True)
