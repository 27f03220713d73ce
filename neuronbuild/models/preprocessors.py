"""Tokenizers and processors that a release carries."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import transformers

from neuronbuild.artifact.snapshot import VOCABULARIES
from neuronbuild.errors import ReleaseError
from neuronbuild.tasks import EXACT
from neuronbuild.tasks.images import HEIGHT, WIDTH

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuronbuild.runtime.reader import ReleaseFolder

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""Files that say how images and sound become tensors."""


def carries(release: ReleaseFolder, patterns: tuple[str, ...]) -> bool:
    """Whether a release holds a file of such a name."""
    return any(fnmatchcase(file.path, pattern) for file in release.index.files for pattern in patterns)


def load_tokenizer(release: ReleaseFolder, **arguments: object) -> PreTrainedTokenizerBase:
    """The tokenizer. Without a vocabulary transformers would give one that knows no word, and no error.

    `arguments` win over what the release's files say of it.

    Raises:
        ReleaseError: the release carries none, or one that can't be loaded here.
    """
    if not carries(release, VOCABULARIES):
        raise _missing(release, "tokenizer")
    return _load(release, "tokenizer", ("AutoTokenizer",), **arguments)


def load_processor(release: ReleaseFolder) -> Any:  # noqa: ANN401 (transformers has no class above all of them)
    """The processor: of images, of sound, or of both with text. Its images are of a compiled size.

    Raises:
        ReleaseError: the release carries none, or one that can't be loaded here.
    """
    processor = read_processor(release)
    sizes = release.buckets[0].shape.as_dict()
    if sizes.keys() >= EXACT:
        _fit_images(getattr(processor, "image_processor", processor), sizes)
    return processor


def read_processor(release: ReleaseFolder) -> Any:  # noqa: ANN401 (as above)
    """The processor, just as the model's own files say.

    Raises:
        ReleaseError: the release carries none, or one that can't be loaded here.
    """
    if not carries(release, PROCESSORS):
        raise _missing(release, "processor")
    return _load(release, "processor", ("AutoProcessor", "AutoImageProcessor", "AutoFeatureExtractor"))


def _missing(release: ReleaseFolder, kind: str) -> ReleaseError:
    hint = f"add the {kind}'s files to the model and apply again"
    return ReleaseError(str(release.folder), f"it carries no {kind}", hint=hint)


def _load(release: ReleaseFolder, kind: str, classes: tuple[str, ...], **arguments: object) -> Any:  # noqa: ANN401 (as above)
    """What the first of the auto classes that can makes of the folder."""
    release.refuse_altered()
    problems = []
    for name in classes:
        try:
            auto = getattr(transformers, name)
            return auto.from_pretrained(release.folder, local_files_only=True, trust_remote_code=False, **arguments)
        except Exception as error:  # noqa: BLE001 (damaged files and missing libraries come as errors of every class)
            problems.append(next(iter(str(error).strip().splitlines()), type(error).__name__))
    hint = f"install what it needs (images: pip install pillow), or add the {kind}'s files to the model and apply again"
    raise ReleaseError(str(release.folder), f"its {kind} can't be loaded: {problems[0]}", hint=hint)


def _fit_images(processor: Any, sizes: dict[str, int]) -> None:  # noqa: ANN401 (as above)
    """Where images would keep their proportions, up to a longest edge, have them made of the size that was compiled."""
    size = getattr(processor, "size", None)
    if size is not None and getattr(size, "longest_edge", None) is not None:
        processor.size = type(size)(height=sizes[HEIGHT], width=sizes[WIDTH])
        processor.do_pad = False
