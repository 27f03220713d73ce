from __future__ import annotations

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.codec import SIGNATURES, decode, encode
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.errors import UsageError
from neuronbuild.store.cas import CasStore
from neuronbuild.store.names import action_name
from neuronbuild.store.objects.memory import MemoryObjects
from neuronbuild.store.trust import (
    MOST_SIGNATURES,
    RELEASE,
    Trust,
    add_signature,
    check_public_key,
    make_key,
    missing_signatures,
    open_signer,
    public_key,
    sign_index,
    signers_of,
)
from tests.unit.artifact.records import INDEX, MANIFEST, plain, sealed
from tests.unit.store.artifacts import key_of, put


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two builders: each the file of its private key, and its public one."""
    folder = tmp_path_factory.mktemp("keys")
    return [(folder / name, make_key(folder / name)) for name in ("one", "two")]


def signed(keys, builder: int = 0) -> bytes:
    return encode(MANIFEST, open_signer(keys[builder][0]))


def test_a_key_is_for_its_owner_alone_and_never_replaced(tmp_path):
    public = make_key(tmp_path / "keys/mine")
    assert stat.S_IMODE((tmp_path / "keys/mine").stat().st_mode) == 0o600
    assert public == public_key(tmp_path / "keys/mine") == check_public_key(public)
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "keys/mine")
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["mine"]


def test_a_trusted_builders_manifest_is_used(keys):
    data = signed(keys)
    assert Trust((keys[0][1],)).objection(data) is None
    assert Trust((keys[1][1], keys[0][1])).objection(data) is None
    assert Trust().objection(data) is None
    assert decode(Manifest, data, newest=FORMAT) == MANIFEST


def test_anybody_elses_isnt(keys):
    assert Trust((keys[1][1],)).objection(signed(keys)) == "no trusted builder signed it"
    assert Trust((keys[0][1],)).objection(encode(MANIFEST)) == "no trusted builder signed it"


def test_an_altered_one_isnt_though_its_seal_is_made_to_fit(keys):
    tree = json.loads(signed(keys))
    signatures = tree[SIGNATURES]
    altered = json.loads(sealed({**plain(MANIFEST), "facts": {"prefix": "other"}}))
    assert Trust((keys[0][1],)).objection(json.dumps({**altered, SIGNATURES: signatures}).encode())
    assert Trust((keys[0][1],)).objection(json.dumps({**tree, "facts": {"prefix": "other"}}).encode())


@given(st.data())
def test_no_changed_byte_keeps_the_trust(keys, data):
    whole = signed(keys)
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    if Trust((keys[0][1],)).objection(bytes(changed)) is None:
        assert decode(Manifest, bytes(changed), newest=FORMAT) == MANIFEST


@given(st.binary(max_size=200) | st.from_type(type(None)).map(lambda _: b'{"seal": 1, "signatures": [7]}'))
def test_any_bytes_are_refused_and_never_crash(keys, data):
    assert Trust((keys[0][1],)).objection(data) is not None


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        7,
        [],
        [7],
        [{}],
        [{"key": "x"}],
        [{"key": 1, "signature": 2}],
        {"key": "x"},
        "x",
        [{"key": None, "signature": "é"}],
    ],
)
def test_signatures_of_any_form_are_refused(keys, signatures):
    tree = {**json.loads(encode(MANIFEST)), SIGNATURES: signatures}
    assert Trust((keys[0][1],)).objection(json.dumps(tree).encode())
    broken = {**tree, SIGNATURES: [{"key": keys[0][1], "signature": "AAAA"}]}
    assert Trust((keys[0][1],)).objection(json.dumps(broken).encode())


def test_a_manifest_moved_under_another_key_is_none(keys):
    store = CasStore(MemoryObjects(), trust=Trust((keys[0][1],), open_signer(keys[0][0])))
    put(store, 1)
    put(store, 2)
    store.objects.write(action_name(key_of(2)), store.objects.read(action_name(key_of(1))))
    assert store.lookup(key_of(1)) is not None
    assert store.lookup(key_of(2)) is None


def test_a_reader_refuses_what_nobody_signed_and_builds_it_anew(keys):
    objects = MemoryObjects()
    put(CasStore(objects), 1)
    reader = CasStore(objects, trust=Trust((keys[0][1],), open_signer(keys[0][0])))
    assert reader.lookup(key_of(1)) is None
    assert reader.known([key_of(1)]) == {key_of(1): "no trusted builder signed it"}
    manifest = put(reader, 1)
    assert reader.lookup(key_of(1)) == manifest


def test_keys_are_changed_by_signing_with_both(keys):
    old, new = (key[1] for key in keys)
    data = add_signature(signed(keys, 0), open_signer(keys[1][0]))
    assert all(Trust((key,)).objection(data) is None for key in (old, new))
    assert add_signature(data, open_signer(keys[1][0])) == data


def test_private_keys_are_in_no_manifest_and_no_repr(keys):
    private = keys[0][0].read_text().strip()
    trust = Trust((keys[0][1],), open_signer(keys[0][0]))
    assert private not in signed(keys).decode()
    assert private not in repr(trust)


@pytest.mark.parametrize("text", ["", "not base64!", "QUJD"])
def test_a_file_that_holds_no_key_is_told_without_quoting_it(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(UsageError, match="holds no signing key") as caught:
        open_signer(tmp_path / "key")
    assert not text or text not in str(caught.value)
    with pytest.raises(UsageError, match="can't be read"):
        open_signer(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 44, "A" * 44])
def test_what_is_no_public_key_is_told(text):
    with pytest.raises(UsageError, match="no public key"):
        check_public_key(text)


def test_all_signers_are_named_and_only_those_with_a_valid_signature(keys):
    data = add_signature(signed(keys, 0), open_signer(keys[1][0]))
    assert set(signers_of(data)) == {keys[0][1], keys[1][1]}
    assert signers_of(data, among=(keys[1][1],)) == (keys[1][1],)
    tree = json.loads(data)
    tree[SIGNATURES][0]["signature"] = tree[SIGNATURES][1]["signature"]
    assert signers_of(json.dumps(tree).encode()) == (keys[1][1],)
    assert signers_of(encode(MANIFEST)) == ()


def test_a_valid_signature_takes_the_place_of_a_false_one(keys):
    tree = json.loads(encode(MANIFEST))
    tree[SIGNATURES] = [{"key": keys[0][1], "signature": "AAAA"}]
    data = add_signature(json.dumps(tree).encode(), open_signer(keys[0][0]))
    assert signers_of(data) == (keys[0][1],)
    assert len(json.loads(data)[SIGNATURES]) == 1


def test_a_signature_means_nothing_for_another_kind_of_record(keys):
    signer = open_signer(keys[0][0])
    index = sign_index(INDEX, Trust((), signer, keys[0][1]))
    assert signers_of(encode(index), kind=RELEASE) == (keys[0][1],)
    assert signers_of(encode(index)) == signers_of(encode(INDEX, signer), kind=RELEASE) == ()


def test_releases_are_signed_with_keys_that_others_may_trust_only(keys):
    assert sign_index(INDEX, Trust()).signatures == ()
    hidden = Trust((keys[1][1], keys[0][1]), open_signer(keys[0][0]), keys[0][1], hidden=True)
    assert sign_index(INDEX, hidden).signatures == ()


def test_a_thousand_signatures_arent_all_tried(keys):
    tree = json.loads(signed(keys))
    tree[SIGNATURES] = [{"key": keys[1][1], "signature": "AAAA"}] * MOST_SIGNATURES + tree[SIGNATURES]
    assert Trust((keys[0][1],)).objection(json.dumps(tree).encode())


def test_signatures_that_another_copy_lacks_are_found(keys):
    bare, ours = encode(MANIFEST), signed(keys)
    trust = Trust((keys[0][1],))
    assert [each["key"] for each in missing_signatures(ours, bare, trust)] == [keys[0][1]]
    assert missing_signatures(ours, ours, trust) == missing_signatures(bare, ours, trust) == []
    assert missing_signatures(ours, bare, Trust((keys[1][1],))) == []
    assert missing_signatures(ours, bare, Trust()) == []
    assert missing_signatures(ours, bare, Trust((), open_signer(keys[0][0]), keys[0][1]))
    other = sealed({**plain(MANIFEST), "facts": {}})
    for strange in (other, b"", b"[]", b"{}", b"7", b'{"seal": 7}'):
        assert missing_signatures(ours, strange, trust) == []


def test_what_only_a_hidden_key_signed_serves_nobody_else(keys):
    hidden = Trust((keys[1][1], keys[0][1]), open_signer(keys[0][0]), keys[0][1], hidden=True)
    assert not hidden.serves_others(signed(keys, 0))
    assert hidden.serves_others(signed(keys, 1))
    assert missing_signatures(signed(keys, 0), encode(MANIFEST), hidden) == []
    assert Trust().serves_others(encode(MANIFEST))
