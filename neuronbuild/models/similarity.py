"""How alike embeddings are, by the functions of sentence_transformers/util/similarity.py (version 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import normalize

from neuronbuild.errors import InputError, first_line
from neuronbuild.tasks.sentences import SIMILARITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.tasks.sentences import Settings

BETWEEN_ALL: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cosine": lambda a, b: torch.mm(normalize(a, dim=-1), normalize(b, dim=-1).T),
    "dot": lambda a, b: torch.mm(a, b.T),
    "euclidean": lambda a, b: -torch.cdist(a, b, p=2.0),
    "manhattan": lambda a, b: -torch.cdist(a, b, p=1.0),
}
BETWEEN_PAIRS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cosine": lambda a, b: (normalize(a, dim=-1) * normalize(b, dim=-1)).sum(-1),
    "dot": lambda a, b: (a * b).sum(-1),
    "euclidean": lambda a, b: -(a - b).square().sum(-1).sqrt(),
    "manhattan": lambda a, b: -(a - b).abs().sum(-1),
}


class Similarity:
    """What a model of embeddings says of how alike they are: by the function that its files name, else by the cosine."""

    def __init__(self, settings: Settings) -> None:
        self._similarity = settings.similarity_fn_name or SIMILARITIES[0]

    @property
    def similarity_fn_name(self) -> str:
        """The function: `cosine`, `dot`, `euclidean` or `manhattan`."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: str | None) -> None:
        found = getattr(name, "value", name)  # an enumeration's member, where the library's own is given
        if found is not None and found not in SIMILARITIES:
            raise InputError(f"there is no similarity {found!a:.80}", hint=f"set one of {', '.join(SIMILARITIES)}")
        self._similarity = found or SIMILARITIES[0]

    def similarity(self, embeddings1: object, embeddings2: object) -> torch.Tensor:
        """How alike each of (n, width) is to each of (m, width), or of one of (width,): (n, m).

        Raises:
            InputError: they are no such numbers.
        """
        return _measured(BETWEEN_ALL[self._similarity], _rows(embeddings1), _rows(embeddings2))

    def similarity_pairwise(self, embeddings1: object, embeddings2: object) -> torch.Tensor:
        """How alike each of (n, width) is to the one in the same place: (n,).

        Raises:
            InputError: they are no such numbers.
        """
        return _measured(BETWEEN_PAIRS[self._similarity], _tensor(embeddings1), _tensor(embeddings2))


def _measured(
    measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    try:
        return measure(first, second)
    except RuntimeError as error:
        raise InputError(f"these embeddings can't be compared: {first_line(error)}") from None


def _rows(embeddings: object) -> torch.Tensor:
    tensor = _tensor(embeddings)
    return tensor.unsqueeze(0) if tensor.dim() == 1 else tensor


def _tensor(embeddings: object) -> torch.Tensor:
    """A tensor of numbers; those of half precision are widened, or scores that are close would become the same."""
    try:
        if isinstance(embeddings, list) and embeddings and all(isinstance(each, torch.Tensor) for each in embeddings):
            made = torch.stack(embeddings)
        elif isinstance(embeddings, list) and embeddings and all(isinstance(each, np.ndarray) for each in embeddings):
            made = torch.as_tensor(np.stack(embeddings))
        else:
            made = torch.as_tensor(embeddings)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"that can't be embeddings: {error}") from None
    made = made.to_dense() if made.is_sparse else made
    return made.float() if made.dtype in {torch.float16, torch.bfloat16} else made
