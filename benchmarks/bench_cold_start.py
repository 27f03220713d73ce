"""From the start of a process to the first embedding, against sentence-transformers over the same folder.

Takes the release that `make apply` wrote (or the folder named on the command line). Whole processes, in turns. The second line
is the import alone, against the class that generates text: what sentence embeddings needn't import.
"""

from __future__ import annotations

import sys
from pathlib import Path

from common import ROOT, paired, report

OURS = "from neuronbuild import NeuronSentenceTransformers as Model; Model.from_pretrained({folder!r}).encode('the cat')"
THEIRS = "from sentence_transformers import SentenceTransformer as Model; Model({folder!r}, device='cpu').encode('the cat')"


def python(code: str) -> list[str]:
    """A program in this interpreter."""
    return [sys.executable, "-c", code]


def main() -> None:
    """Two lines."""
    folder = str(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "releases/minilm-l6-cpu")
    here, there, ratio = paired(python(OURS.format(folder=folder)), python(THEIRS.format(folder=folder)), ROOT)
    report("cold start", to_sentence_transformers=ratio, seconds=here, sentence_transformers_s=there)
    sentences = python("from neuronbuild import NeuronSentenceTransformers")
    here, there, ratio = paired(sentences, python("from neuronbuild import NeuronModelForCausalLM"), ROOT)
    report("import", to_generating_class=ratio, seconds=here, generating_class_s=there)


if __name__ == "__main__":
    main()
