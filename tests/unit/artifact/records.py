"""One whole record of each kind, and any tree of JSON as the bytes of a record."""

from __future__ import annotations

import json

from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.codec import SEAL, encode, parse_action
from neuronbuild.artifact.manifest import Check, FileEntry, Manifest, Provenance
from neuronbuild.artifact.release_index import Binding, Bucket, ReleasedFile, ReleaseIndex
from neuronbuild.artifact.signature import ConstantSpec, Signature, TensorSpec
from neuronbuild.digest import digest_bytes, digest_json

ACTION: dict[str, object] = {"task": "fill-mask", "shape": {"batch_size": 1, "sequence_length": 64}, "eps": 1e-12, "é": None}
KEY = action_key(parse_action(ACTION))
CHECK = Check("random-weights", "eager", {"logits": 3e-6}, {"logits": 1.5}, 1e-4)
SIGNATURE = Signature(
    inputs=(TensorSpec("input_ids", "int64", (1, 64), ("batch_size", "sequence_length")),),
    outputs=(TensorSpec("logits", "float32", (1, 64, 99), ("batch_size", "sequence_length", None)),),
    constants=(ConstantSpec("model.bias", "float32", (99,), (1,), ("bias", "decoder.bias"), in_artifact=False),),
)
MANIFEST = Manifest(
    KEY,
    parse_action(ACTION),
    (FileEntry("model.pt2", digest_bytes(b"code")), FileEntry("parts/constants.safetensors", digest_bytes(b""))),
    Provenance("neuronbuild 1.0", "2026-01-02T03:04:05Z", 12.5),
    SIGNATURE,
    (CHECK,),
    {"prefix": "bert"},
    digest_bytes(b"log"),
)
INDEX = ReleaseIndex(
    name="minilm",
    task="fill-mask",
    platform="cpu",
    model="org/name",
    revision=None,
    snapshot="1" * 64,
    stamp="2" * 64,
    tool="neuronbuild 1.0",
    dynamic_batch_size=False,
    buckets=(Bucket("forward", {"batch_size": 1, "sequence_length": 64}, "buckets/a", KEY, (CHECK,)),),
    bindings={"model.bias": Binding("model.safetensors", "bias")},
    files=(ReleasedFile("config.json", "3" * 64, 7),),
)

UNSAFE_PATHS = [
    "", "/", "/etc/passwd", "..", ".", "../x", "a/../b", "a/..", "./a", "a/.", "a//b", "a/", "\\", "a\\b", "..\\x",
    "a\0b", "\0",
]  # fmt: skip


def plain(record) -> dict[str, object]:
    """A record as a tree of JSON, without its seal."""
    tree = json.loads(encode(record))
    del tree[SEAL]
    return tree


def sealed(tree: object) -> bytes:
    """A tree as the bytes of a record that nobody altered since: what is wrong with it is not the seal."""
    seal = {SEAL: digest_json(tree).sha256} if isinstance(tree, dict) else {}
    return json.dumps({**tree, **seal} if isinstance(tree, dict) else tree).encode()
