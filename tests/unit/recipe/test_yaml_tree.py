from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.recipe.yaml_tree import MAX_DEPTH, MAX_NODES, MOST_DIGITS, MOST_NODES, Budget, read_documents
from tests.tools.fuzz import few, many

RECIPE = """\
model: org/name
shapes:
  batch_size: [1, 8]
  include:
    - {batch_size: 2,
       sequence_length: 3}
"""
PIECES = [
    "a", "model", "shapes", ":", ": ", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "*b ", "!!bool ", "!!int ", "!!float ",
    "!!set ", "!!binary ", "!own ", "<<: ", "|", ">", "'", '"', "\\", "#", "\n", "\n  ", "\n---\n", "...\n", "%YAML 1.1\n",
    "1:1:1.0", "0x_", "1e999", ".inf", "~", "yes", "=", "\t", "é", "\0", "\ufeff", "\u2028", "\x85", "😀", "2024-01-01",
    "9" * 5000,
]  # fmt: skip

texts = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def values(text):
    documents, issues = read_documents(text, "file")
    assert issues == []
    return [document.value for document in documents]


def faults(text):
    return [str(issue) for issue in read_documents(text, "file")[1]]


def laughs(levels):
    """A few lines of nested aliases that stand for 10 to the power of `levels` words."""
    lines = ["a0: &a0 ha"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels + 1)]
    return "\n".join(lines)


def test_values_are_plain():
    text = "text: a\nnumber: 1\ndecimal: 1.5\nyes: true\nnothing: null\nlist: [a, {b: c}]"
    assert values(text) == [{"text": "a", "number": 1, "decimal": 1.5, "yes": True, "nothing": None, "list": ["a", {"b": "c"}]}]


def test_keys_are_text_whatever_they_look_like():
    assert values("1: a\ntrue: b\n~: c\n1.5: d") == [{"1": "a", "true": "b", "~": "c", "1.5": "d"}]


def test_a_date_is_text():
    assert values("revision: 2024-01-31") == [{"revision": "2024-01-31"}]


def test_every_key_and_item_has_its_place():
    [document], _ = read_documents(RECIPE, "file")
    assert document.place(("shapes",)) == (2, 1)
    assert document.place(("shapes", "batch_size", 1)) == (3, 19)
    assert document.place(("shapes", "include", 0, "sequence_length")) == (6, 8)


def test_a_place_that_is_nowhere_is_that_of_the_nearest_part_above():
    [document], _ = read_documents(RECIPE, "file")
    assert document.place(("shapes", "exclude", 3)) == (2, 1)
    assert document.place(("task",)) == (1, 1)


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n---\n", "~", "--- null\n...\n"])
def test_empty_documents_are_left_out(text):
    assert values(text) == []


def test_a_file_may_hold_several_documents():
    assert values("a: 1\n---\n---\nb: 2\n...\n---\n[3]") == [{"a": 1}, {"b": 2}, [3]]


def test_the_second_document_counts_lines_from_the_top_of_the_file():
    documents, _ = read_documents("a: 1\n---\nb: 2\n", "file")
    assert documents[1].place(("b",)) == (3, 1)


def test_a_key_given_twice_is_a_fault_at_the_second():
    assert faults("model: a\ntask: b\nmodel: c") == ["file:3:1: key 'model' is given twice"]


def test_keys_given_twice_are_found_at_any_depth_all_at_once():
    assert faults("a: {x: 1, x: 2}\nb:\n- {y: 1, 'y': 2}") == [
        "file:1:11: key 'x' is given twice",
        "file:3:10: key 'y' is given twice",
    ]


def test_merge_keys_are_refused_and_defaults_named():
    assert faults("base: &b {x: 1}\na:\n  <<: *b") == ["file:3:3: merge keys are not supported; use `defaults:`"]


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "&a [x]"])
def test_a_key_is_one_word(key):
    assert faults(f"? {key}\n: value\nother: 1") == ["file:1:3: a key must be a plain word"]


def test_an_alias_stands_for_its_value():
    assert values("a: &x [1, 2]\nb: *x") == [{"a": [1, 2], "b": [1, 2]}]


def test_an_alias_without_an_anchor_is_a_fault():
    assert faults("a: *nowhere") == ["file:1:4: not YAML: found undefined alias"]


@pytest.mark.parametrize("levels", [6, 12, 99])
def test_nested_aliases_come_to_an_end(levels):
    [fault] = faults(laughs(levels))
    assert fault.endswith(f"more than {MAX_NODES:,} nodes once aliases are followed")


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}", "a: &a\n- - - *a\n"])
def test_an_alias_within_its_own_value_ends_too(text):
    [fault] = faults(text)
    assert f"nested more than {MAX_DEPTH} levels deep once aliases are followed" in fault


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 10_000, 1_000_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{? "])
def test_what_is_nested_too_deeply_is_refused_before_it_is_read(opening, depth):
    [fault] = faults(opening * depth)
    assert fault.endswith(f"nested more than {MAX_DEPTH} levels deep")


def test_what_is_nested_deeply_but_not_too_deeply_is_read():
    [value] = values("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    for _ in range(MAX_DEPTH - 2):
        [value] = value
    assert value == []


def test_a_long_flat_list_is_not_deep():
    assert values("- {a: [1]}\n" * 1000) == [[{"a": [1]}] * 1000]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\nb: 3", "file:2:2"),
        ("a: 'x", "file:1:6"),
        ("\tmodel: x", "file:1:1"),
        ("a: b: c", "file:1:5"),
        ("a: 1\n b: 2", "file:2:3"),
        ("%YAML 9.9\n--- a", "file:1:1"),
    ],
)
def test_what_is_not_yaml_says_where(text, place):
    [fault] = faults(text)
    assert fault.startswith(f"{place}: not YAML: ")


def test_what_is_read_before_a_fault_in_the_syntax_is_kept():
    documents, issues = read_documents("a: 1\na: 2\n---\nb: [\n", "file")
    assert [document.value for document in documents] == [{"a": 2}]
    assert [issue.message.partition(":")[0] for issue in issues] == ["key 'a' is given twice", "not YAML"]


def test_control_characters_are_refused():
    [fault] = faults("model: x\0")
    assert "control characters are not allowed" in fault


@pytest.mark.parametrize(
    "value",
    [
        "!!bool maybe", "!!int ''", "!!int x", "!!float ''", "!!float x", "!!binary é", "=", "!own x", "0x_",
        "!!python/object:os.system x", "9" * 5000,
    ],
)  # fmt: skip
def test_a_value_of_no_plain_kind_is_refused(value):
    [fault] = faults(f"a: {value}")
    assert fault.startswith("file:1:4: a value of kind ")


def check(text):
    """Whatever the text, documents and issues come back, and every place lies in the text."""
    documents, issues = read_documents(text, "file")
    assert all(issue.line >= 1 and issue.column >= 1 for issue in issues)
    assert all(document.value is not None for document in documents)


@few
@given(texts)
def test_any_text_is_read_or_refused(text):
    check(text)


@pytest.mark.soak
@many
@given(texts)
def test_twenty_thousand_texts_are_read_or_refused(text):
    check(text)


@few
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | st.text("xyz", max_size=3)), max_size=3)
)
def test_what_pyyaml_wrote_reads_as_it_was(trees):
    assert values(yaml.safe_dump_all(trees)) == trees


@pytest.mark.parametrize("text", ["1:30", "190:20:30", "-1:30", "1:30.5", "1:" * 300 + "1.0"])
def test_a_time_of_day_is_no_number(text):
    documents, issues = read_documents(f"a: {text}", "file")
    assert (documents[0].value, issues) == ({"a": text}, [])


@pytest.mark.parametrize(
    ("text", "plain"),
    [("032", 32), ("010", 10), ("0600", 600), ("00", 0), ("-010", -10), ("+07", 7), ("0_12", 12), ("!!int '017'", 17)],
)
def test_a_number_with_leading_zeros_is_refused(text, plain):
    [fault] = faults(f"a: {text}")
    assert fault.startswith("file:1:4: ")
    assert f"begins with 0, which makes it an octal number in YAML: write {plain} " in fault


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0x20", 32),
        ("0b11", 3),
        ("1_000", 1000),
        ("10", 10),
        ("-3", -3),
        ("0.5", 0.5),
        ("00.5", 0.5),
        ("'032'", "032"),
    ],
)
def test_other_numbers_are_what_they_look_like(text, value):
    assert values(f"a: {text}") == [{"a": value}]


@few
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_no_number_is_read_as_another_one_than_its_decimal_digits_say(number, zeros):
    documents, issues = read_documents(f"a: {'0' * zeros}{number}", "file")
    value = documents[0].value["a"]
    assert int(value) == number
    assert issues or isinstance(value, str) or number == 0


def test_limits_count_all_documents_of_a_run():
    text = laughs(4) + "\n---\n"
    assert len(read_documents(text, "file")[0]) == 1
    documents, issues = read_documents(text * 30, "file")
    assert len(documents) < 30
    assert f"more than {MOST_NODES:,} nodes in all files together" in str(issues[0])
    budget = Budget()
    several = [read_documents(text, f"file {number}", budget)[1] for number in range(30)]
    assert several[0] == []
    assert "in all files together" in str(several[-1][0])


def test_a_text_of_too_many_nodes_is_refused_before_they_are_made():
    [issue] = read_documents("a: [" + "b," * (2 * MAX_NODES + 10) + "b]", "file")[1]
    assert str(issue).endswith(f"more than {MAX_NODES:,} nodes")


ENDLESS = ["9" * (MOST_DIGITS + 1), "0x" + "e" * 5000, "0b" + "1" * 20_000, "1_" * 60 + "1", "-" + "9" * 5000]


@pytest.mark.parametrize("number", ENDLESS, ids=range(len(ENDLESS)))
def test_a_number_of_more_digits_than_anybody_needs_is_refused(number):
    [fault] = faults(f"a: {number}")
    assert f"if it has more than {MOST_DIGITS} digits" in fault
    assert values(f"a: '{number}'") == [{"a": number}]
