from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.codec import SEAL, SIGNATURES, DecodeError, decode, decode_part, encode
from neuronbuild.artifact.manifest import FORMAT, Manifest, Provenance, Signed
from neuronbuild.artifact.release_index import ReleaseIndex
from neuronbuild.digest import digest_json
from neuronbuild.files import check_names
from tests.tools.fuzz import few, json_values, many
from tests.unit.artifact.records import INDEX, MANIFEST, plain, sealed

RECORDS = [MANIFEST, INDEX]

every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)


def places(value, path=()):
    """The way to every value in a tree of dicts and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, path, change):
    """The tree with the value at a path passed through a function."""
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


@st.composite
def hostile(draw):
    """A record's kind, and the bytes of such a record with some values replaced or added, its seal fitting."""
    record = draw(st.sampled_from(RECORDS))
    tree = plain(record)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(tree))))
        other = draw(json_values)
        add = draw(st.booleans())
        tree = changed(tree, path, lambda value, o=other, a=add: {**value, "extra": o} if a and isinstance(value, dict) else o)
    return type(record), sealed(tree)


@st.composite
def damaged(draw):
    """A record, and its bytes with some of them changed, gone or new."""
    record = draw(st.sampled_from(RECORDS))
    data = bytearray(encode(record))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data) - 1))
        data[start : start + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return record, bytes(data)


def check_hostile(case):
    """Bytes are refused, or are a record that keeps its promises and survives being written again."""
    kind, data = case
    try:
        record = decode(kind, data, newest=FORMAT)
    except DecodeError:
        return
    assert type(record) is kind
    check_names(entry.path for entry in record.files)
    if isinstance(record, Manifest):
        assert action_key(record.action) == record.key
    assert decode(kind, encode(record), newest=FORMAT) == record


def check_damaged(case):
    """Damaged bytes are refused, unless they still say exactly the same."""
    record, data = case
    try:
        read = decode(type(record), data, newest=FORMAT)
    except DecodeError:
        return
    assert read == record


@every_record
def test_a_record_reads_back_as_it_was_written(record):
    assert decode(type(record), encode(record), newest=FORMAT) == record


@every_record
def test_a_record_is_readable_text_with_sorted_keys(record):
    said = {name: value for name, value in asdict(record).items() if name != SIGNATURES}
    if isinstance(record, Manifest):
        said["action"] = record.action.document()
    tree = {**said, SEAL: digest_json(said).sha256}
    assert encode(record).decode() == json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("value", [{}, None, 7, Manifest, "text"])
def test_only_records_are_written(value):
    with pytest.raises(TypeError, match="not a record"):
        encode(value)


def test_what_json_has_no_number_for_is_not_written():
    with pytest.raises(ValueError, match="JSON"):
        encode(Provenance("tool", "now", float("nan")))


@every_record
def test_a_record_cut_off_anywhere_is_refused(record):
    data = encode(record)
    for length in range(len(data) - 1):
        with pytest.raises(DecodeError):
            decode(type(record), data[:length], newest=FORMAT)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"{", b"[]", b"7", b"null", b'"text"', b"\xff\xfe", b"{}", b'{"format": 1}', b"\0"]
)
@every_record
def test_what_is_no_record_is_refused(record, data):
    with pytest.raises(DecodeError, match=f"not a {type(record).__name__}: "):
        decode(type(record), data, newest=FORMAT)


@every_record
def test_a_key_too_many_is_refused_at_any_depth(record):
    open_ended = {"action", "facts", "shape", "bindings", "max_abs_error", "scale", "toolchain"}
    tree = plain(record)
    for path in places(tree):
        if not open_ended & set(path):
            grown = changed(tree, path, lambda v: {**v, "extra": 1} if isinstance(v, dict) else {"extra": v})
            with pytest.raises(DecodeError):
                decode(type(record), sealed(grown), newest=FORMAT)


@every_record
def test_a_key_too_few_is_refused(record):
    for name in ("files", "key" if record is MANIFEST else "stamp"):
        tree = {key: value for key, value in plain(record).items() if key != name}
        with pytest.raises(DecodeError, match=f"{name}: Field required"):
            decode(type(record), sealed(tree), newest=FORMAT)


@every_record
def test_a_text_is_no_number_and_a_number_is_no_text(record):
    for path in places(plain(record)):
        if not {"action", "facts", "toolchain"} & set(path):
            swapped = changed(
                plain(record), path, lambda v: str(v) if isinstance(v, int | float) else 7 if isinstance(v, str) else v
            )
            if swapped != plain(record):
                with pytest.raises(DecodeError):
                    decode(type(record), sealed(swapped), newest=FORMAT)


@every_record
@pytest.mark.parametrize("other", [{}, {"entirely": "else"}])
def test_a_future_format_is_told_from_damage(record, other):
    with pytest.raises(DecodeError, match="format 99, this version reads up to 2") as caught:
        decode(type(record), json.dumps({**other, "format": 99}).encode(), newest=FORMAT)
    assert caught.value.future


@every_record
@pytest.mark.parametrize("stated", ["2", 2.0, True, None, [2], {}])
def test_a_format_is_a_whole_number(record, stated):
    with pytest.raises(DecodeError) as caught:
        decode(type(record), sealed({**plain(record), "format": stated}), newest=FORMAT)
    assert not caught.value.future


@pytest.mark.parametrize("depth", [300, 5_000, 500_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(depth, opening, closing):
    data = encode(MANIFEST).replace(b'"bert"', opening * depth + b"1" + closing * depth)
    with pytest.raises(DecodeError):
        decode(Manifest, data, newest=FORMAT)


def test_a_number_of_endless_digits_is_refused():
    with pytest.raises(DecodeError):
        decode(Manifest, encode(MANIFEST).replace(b"12.5", b"9" * 100_000), newest=FORMAT)


@every_record
@pytest.mark.parametrize("seal", [None, "", "0" * 64, 7, {}])
def test_a_seal_that_does_not_fit_is_refused(record, seal):
    with pytest.raises(DecodeError, match="altered or damaged"):
        decode(type(record), json.dumps({**plain(record), SEAL: seal}).encode(), newest=FORMAT)


@every_record
def test_a_record_without_a_seal_is_refused(record):
    with pytest.raises(DecodeError, match="altered or damaged"):
        decode(type(record), json.dumps(plain(record)).encode(), newest=FORMAT)


def test_a_value_altered_under_its_seal_is_refused():
    data = encode(MANIFEST).replace(b"2026-01-02", b"2026-01-03")
    with pytest.raises(DecodeError, match="altered or damaged"):
        decode(Manifest, data, newest=FORMAT)


def test_the_order_of_keys_and_white_space_are_not_sealed():
    tree = json.loads(encode(MANIFEST))
    assert decode(Manifest, json.dumps(dict(reversed(tree.items()))).encode(), newest=FORMAT) == MANIFEST


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_what_is_no_number_of_json_is_refused(number):
    with pytest.raises(DecodeError):
        decode(Manifest, encode(MANIFEST).replace(b"12.5", number), newest=FORMAT)


def test_the_message_says_where_the_fault_is():
    tree = changed(plain(MANIFEST), ("files", 1, "digest", "size"), lambda _: "7")
    with pytest.raises(DecodeError, match=r"^not a Manifest: files\.1\.digest\.size: Input should be a valid integer$"):
        decode(Manifest, sealed(tree), newest=FORMAT)


@few
@given(hostile())
def test_hostile_bytes_are_refused_or_are_a_whole_record(case):
    check_hostile(case)


@few
@given(damaged())
def test_damaged_bytes_are_refused_or_say_the_same(case):
    check_damaged(case)


@few
@given(st.sampled_from([Manifest, ReleaseIndex]), st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_a_whole_record(kind, data):
    check_hostile((kind, data))


@pytest.mark.soak
@many
@given(hostile())
def test_twenty_thousand_hostile_cases_are_refused_or_are_whole_records(case):
    check_hostile(case)


@pytest.mark.soak
@many
@given(damaged())
def test_twenty_thousand_damaged_cases_are_refused_or_say_the_same(case):
    check_damaged(case)


@dataclass(frozen=True)
class Answer:
    names: tuple[str, ...]
    seconds: float


def test_a_part_of_a_workers_answer_becomes_what_it_must_be():
    assert decode_part(Answer, {"names": ["a", "b"], "seconds": 1}) == Answer(("a", "b"), 1.0)


@pytest.mark.parametrize("value", [None, [], {}, {"names": "ab", "seconds": 1}, {"names": [], "seconds": "1"}, 7])
def test_a_worker_that_answers_something_else_is_refused(value):
    with pytest.raises(DecodeError, match="not a worker's answer"):
        decode_part(Answer, value)


def test_a_part_may_be_of_a_plain_kind():
    assert decode_part(list[str], ["a", "b"]) == ["a", "b"]


def test_a_part_takes_no_key_that_it_does_not_know():
    with pytest.raises(DecodeError, match="not a worker's answer"):
        decode_part(Answer, {"names": [], "seconds": 1, "extra": 1})


@every_record
def test_signatures_are_read_with_the_record_and_written_with_it(record):
    data = encode(record, lambda seal: {"key": "ed25519:k", "signature": seal[:4]})
    read = decode(type(record), data, newest=FORMAT)
    assert read == record
    assert read.signatures == (Signed("ed25519:k", json.loads(data)[SEAL][:4]),)
    assert encode(read) == data


@every_record
@pytest.mark.parametrize("signatures", [None, 7, "x", {}, [7], [{}], [{"key": 1, "signature": "a"}], [{"key": "k"}]])
def test_what_cant_be_a_signature_is_passed_over(record, signatures):
    tree = {**json.loads(encode(record)), SIGNATURES: signatures}
    assert decode(type(record), json.dumps(tree).encode(), newest=FORMAT).signatures == ()
