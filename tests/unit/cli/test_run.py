"""`run`, in this process: its rows are what transformers' pipelines say of the model's folder, as far as there are any."""

from __future__ import annotations

import functools
import io
import itertools
import json
import sys

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner
from PIL import Image

import neuronbuild
from neuronbuild.artifact.release_index import ReleasedFile
from neuronbuild.cli.media import read_image, read_sound
from neuronbuild.cli.run import _with_lines, run_command
from neuronbuild.digest import digest_file
from neuronbuild.errors import ReleaseError, ShapeError, UsageError
from tests.conftest import CLASSES, VIVID
from tests.tools.answers import LABELS, assert_alike, random_picture, random_sound
from tests.unit.cli.test_media import write_sound
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, read_index

TEXTS = ["the cat sits on a mat", "who runs", "a red car", "", " ", "😀 bad"]
LONG = "the cat sits on a mat " * 8


def run(release, *inputs, fit=False):
    """Rows as JSON, and lines as people see them, of the same run."""
    outputs = []
    for options in (["--json"], []):
        arguments = [str(release), *map(str, inputs), *options, *(["--fit"] if fit else [])]
        done = CliRunner().invoke(run_command, arguments, standalone_mode=False)
        if done.exception:
            raise done.exception
        outputs.append(done.stdout)
    rows, lines = json.loads(outputs[0]), outputs[1].splitlines()
    assert len(rows) == len(lines) or not rows
    return rows, lines


@pytest.fixture(scope="module")
def reference(vivid, models):
    """transformers' pipeline over the model's folder."""

    @functools.cache
    def get(name: str, task: str):
        folder = vivid.root / "models" / task if task in VIVID else models[task]
        return transformers.pipeline(name, model=str(folder), device="cpu")

    return get


@pytest.fixture(scope="module")
def eager(vivid, models):
    """The eager model and its tokenizer, where there is no pipeline."""

    @functools.cache
    def get(task: str, auto_class: str | None = None):
        folder = vivid.root / "models" / task if task in VIVID else models[task]
        found = getattr(transformers, auto_class or CLASSES[task]).from_pretrained(folder).eval()
        return found, transformers.AutoTokenizer.from_pretrained(folder)

    return get


@pytest.fixture
def pictures(tmp_path):
    """Files of pictures of many kinds, one of them turned by its camera."""
    turned = Image.Exif()
    turned[0x0112] = 3
    for seed, mode in enumerate(("RGB", "RGBA", "P", "L", "CMYK")):
        name = f"{mode}.{'tiff' if mode == 'CMYK' else 'png'}"
        random_picture(seed).convert(mode).save(tmp_path / name)
    random_picture(9).save(tmp_path / "turned.png", exif=turned)
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, (40, 60), "uint16")).save(tmp_path / "deep.png")
    return sorted(map(str, tmp_path.iterdir()))


def test_texts_are_labelled(vivid, reference):
    rows, lines = run(vivid.releases["text-classification"], *TEXTS)
    said = reference("text-classification", "text-classification")(TEXTS)
    assert_alike(
        rows, [{**{key: each[key] for key in ("score", "label")}, "text": text} for each, text in zip(said, TEXTS, strict=True)]
    )
    assert {row["label"] for row in rows} <= set(LABELS["text-classification"])
    assert lines[0] == f"{rows[0]['score']:.4f}  {rows[0]['label']}  {TEXTS[0]}"


def test_tokens_are_labelled_but_for_those_that_say_nothing(vivid, reference):
    rows, _ = run(vivid.releases["token-classification"], *TEXTS)
    said = reference("token-classification", "token-classification")(TEXTS)
    assert_alike(
        rows, [{"score": each["score"], "label": each["entity"], "token": each["word"]} for each in itertools.chain(*said)]
    )
    assert rows


def test_the_likeliest_words_are_found_for_each_mask(vivid, reference):
    texts = ["the [MASK] sits", "[MASK] runs [MASK]", "a [MASK]"]
    rows, _ = run(vivid.releases["fill-mask"], *texts)
    assert [row["text"] for row in rows] == ["the [MASK] sits"] * 5 + ["[MASK] runs [MASK]"] * 10 + ["a [MASK]"] * 5
    said = [reference("fill-mask", "fill-mask")(text) for text in texts]
    expected = [*said[0], *said[1][0], *said[1][1], *said[2]]
    assert_alike([(row["score"], row["word"]) for row in rows], [(each["score"], each["token_str"]) for each in expected])


def test_a_text_without_a_mask_is_told_what_to_put_in(vivid):
    with pytest.raises(UsageError, match=r"'the cat' has no \[MASK\]") as caught:
        run(vivid.releases["fill-mask"], "the [MASK]", "the cat")
    assert caught.value.hint == "put [MASK] where a word is to be found"


def test_prompts_are_continued_as_far_as_there_is_room(vivid, reference):
    texts = ["the cat", "who runs in a park"]
    rows, _ = run(vivid.releases["text-generation"], *texts)
    for row, text in zip(rows, texts, strict=True):
        pipe = reference("text-generation", "text-generation")
        room = 48 - len(pipe.tokenizer(text)["input_ids"])
        assert row["text"] == pipe(text, do_sample=False, max_new_tokens=room)[0]["generated_text"]


def test_texts_are_answered(built, eager):
    model, tokenizer = eager("text2text-generation", "AutoModelForSeq2SeqLM")
    rows, _ = run(built.releases["text2text-generation"], *TEXTS[:2])
    for row, text in zip(rows, TEXTS, strict=False):
        made = model.generate(**tokenizer([text], return_tensors="pt"), max_new_tokens=23, do_sample=False)
        assert row["text"] == tokenizer.decode(made[0], skip_special_tokens=True)


def likeliest(model, tokenizer, question, context):
    """The answer by trying every span of the context: up to fifteen tokens, in whole words."""
    encoded = tokenizer(question, context, return_tensors="pt")
    with torch.no_grad():
        output = model(**encoded)
    inside = torch.tensor([part == 1 for part in encoded.sequence_ids(0)])
    counted = inside.clone()
    counted[0] = True
    start, end = (
        scores[0].masked_fill(~counted, -torch.inf).softmax(-1) for scores in (output.start_logits, output.end_logits)
    )
    spans = [
        (float(start[i] * end[j]), i, j)
        for i in range(len(inside))
        for j in range(i, min(i + 15, len(inside)))
        if inside[i] and inside[j]
    ]
    score, first, last = max(spans)
    words = [encoded.word_to_chars(encoded.token_to_word(place), sequence_index=1) for place in (first, last)]
    return score, context[words[0].start : words[1].end]


CONTEXTS = [
    ("who runs", "the dog runs in a park"),
    ("where is it", "a red car is on a mat, good dog"),
    ("who", "Xylo  shines  good"),
    ("is it blue", "bad"),
]


@pytest.mark.parametrize(("question", "context"), CONTEXTS)
def test_an_answer_is_the_likeliest_part_of_the_context(vivid, eager, question, context):
    [row], [line] = run(vivid.releases["question-answering"], question, context)
    assert row == {"answer": likeliest(*eager("question-answering"), question, context)[1]}
    assert row["answer"]
    assert line == row["answer"]


def test_a_long_context_is_read_in_windows(vivid, eager):
    context = "the dog runs in a park, the sun shines on a green house where a cat sits in a tree, who is good"
    model, tokenizer = eager("question-answering")
    [row], _ = run(vivid.releases["question-answering"], "who runs", context)
    windows = tokenizer(
        "who runs", context, truncation="only_second", max_length=16, stride=5, return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )  # fmt: skip
    parts = []
    for number in range(len(windows["input_ids"])):
        places = [
            place
            for place, part in zip(windows["offset_mapping"][number], windows.sequence_ids(number), strict=True)
            if part == 1
        ]
        parts.append(context[places[0][0] : places[-1][1]])
    assert len(parts) > 1
    assert row["answer"] == max(likeliest(model, tokenizer, "who runs", part) for part in parts)[1]


@pytest.mark.parametrize("texts", [["who runs"], ["a", "b", "c"]])
def test_a_question_needs_its_context(vivid, texts):
    with pytest.raises(UsageError, match="takes two texts: a question, then a context"):
        run(vivid.releases["question-answering"], *texts)


def test_a_context_that_is_empty_and_a_question_that_is_too_long_are_refused(vivid):
    with pytest.raises(UsageError, match="the context is empty"):
        run(vivid.releases["question-answering"], "who runs", " ")
    with pytest.raises(ShapeError, match="a question of"):
        run(vivid.releases["question-answering"], LONG, "the cat")


def test_choices_share_the_probability(vivid, eager):
    model, tokenizer = eager("multiple-choice")
    rows, _ = run(vivid.releases["multiple-choice"], "the cat", "sits", "runs in a park")
    encoded = tokenizer(["the cat"] * 2, ["sits", "runs in a park"], padding=True, return_tensors="pt")
    with torch.no_grad():
        scores = model(**{name: tensor[None] for name, tensor in encoded.items()}).logits[0].softmax(-1).tolist()
    assert_alike(rows, [{"score": scores[0], "choice": "sits"}, {"score": scores[1], "choice": "runs in a park"}])


def test_a_prompt_needs_choices(vivid):
    with pytest.raises(UsageError, match="takes a prompt, then the choices"):
        run(vivid.releases["multiple-choice"], "the cat")


def test_more_choices_than_were_compiled_are_refused(vivid):
    with pytest.raises(ShapeError, match="num_choices=3"):
        run(vivid.releases["multiple-choice"], "the cat", "a", "b", "c")


@pytest.mark.parametrize("task", ["feature-extraction", "sentence-similarity"])
def test_embeddings_are_compared_pair_by_pair(vivid, eager, task):
    rows, lines = run(vivid.releases[task], *TEXTS[:3])
    model, tokenizer = eager(task, "AutoModel")
    vectors = []
    for text in TEXTS[:3]:
        encoded = tokenizer([text], return_tensors="pt")
        with torch.no_grad():
            vectors.append(model(**encoded).last_hidden_state[0].mean(0))
    pairs = list(itertools.combinations(range(3), 2))
    expected = [float(torch.nn.functional.cosine_similarity(vectors[i], vectors[j], dim=0)) for i, j in pairs]
    assert_alike(rows, [{"similarity": x, "a": TEXTS[i], "b": TEXTS[j]} for x, (i, j) in zip(expected, pairs, strict=True)])
    assert lines[0] == f"{rows[0]['similarity']:.4f}  {TEXTS[0]}  {TEXTS[1]}"


@pytest.mark.parametrize(("measure", "sign"), [("cosine", 1), ("dot", 1), ("euclidean", -1), ("manhattan", -1)])
def test_sentences_are_compared_by_what_the_models_config_says(vivid, tmp_path, measure, sign):
    release = with_measure(vivid.releases["sentence-similarity"], tmp_path, measure)
    rows, _ = run(release, *TEXTS[:2])
    one, other = torch.tensor(neuronbuild.open_model(release).encode(TEXTS[:2]))
    orders = {"euclidean": 2, "manhattan": 1}
    expected = -float((one - other).norm(p=orders[measure])) if sign < 0 else float(one @ other)  # they are of unit length
    assert rows[0]["similarity"] == pytest.approx(expected, abs=1e-5)


def test_a_measure_that_nobody_knows_is_refused(vivid, tmp_path):
    with pytest.raises(ReleaseError, match="hamming"):
        run(with_measure(vivid.releases["sentence-similarity"], tmp_path, "hamming"), *TEXTS[:2])


def with_measure(release, folder, measure):
    made, name = copy_release(release, folder), "config_sentence_transformers.json"
    (made / name).write_text(json.dumps({"similarity_fn_name": measure}))
    digest = digest_file(made / name)
    alter_index(made, files=(*read_index(made).files, ReleasedFile(name, digest.sha256, digest.size)))
    return made


def test_one_text_shows_its_embedding(vivid):
    [row], _ = run(vivid.releases["sentence-similarity"], "the cat")
    assert row["text"] == "the cat"
    assert row["embedding"] == pytest.approx(
        neuronbuild.open_model(vivid.releases["sentence-similarity"]).encode("the cat").tolist()
    )


def test_pictures_get_a_label_each(built, reference, pictures):
    rows, _ = run(built.releases["image-classification"], *pictures)
    pipe = reference("image-classification", "image-classification")
    assert_alike(rows, [{**pipe(file, top_k=1)[0], "file": file} for file in pictures])


def test_segments_share_the_picture(built, reference, pictures):
    rows, _ = run(built.releases["semantic-segmentation"], *pictures)
    pipe = reference("image-segmentation", "semantic-segmentation")
    expected = [
        {"share": float(np.asarray(each["mask"]).mean() / 255), "label": each["label"], "file": file}
        for file in pictures
        for each in pipe(file)
    ]
    assert_alike(rows, expected)
    assert sum(row["share"] for row in rows) == pytest.approx(len(pictures))


def test_objects_are_told_as_by_the_pipeline(built, reference, pictures, monkeypatch):
    assert run(built.releases["object-detection"], *pictures)[0] == []
    pipe = reference("object-detection", "object-detection")
    sure = transformers.ObjectDetectionPipeline.postprocess
    monkeypatch.setattr(transformers.ObjectDetectionPipeline, "postprocess", lambda self, outputs: sure(self, outputs, 0.2))
    rows, _ = run(built.releases["object-detection"], *pictures)
    expected = [
        {"score": each["score"], "label": each["label"], "box": list(each["box"].values()), "file": file}
        for file in pictures
        for each in pipe(file)
    ]
    assert_alike(rows, expected)
    assert rows


def test_an_image_is_told_by_the_labels_to_choose_from(built, reference, pictures):
    release = built.releases["zero-shot-image-classification"]
    rows, _ = run(release, pictures[0], "cat", "dog")
    pipe = reference("zero-shot-image-classification", "zero-shot-image-classification")
    said = pipe(pictures[0], candidate_labels=["cat", "dog"])
    assert_alike(rows, [{"score": each["score"], "text": each["label"]} for each in said])
    with pytest.raises(UsageError, match="an image file, then the labels"):
        run(release, pictures[0])


def test_sound_gets_labels_and_words(built, reference, tmp_path):
    files = [str(write_sound(tmp_path / f"{seed}.wav", random_sound(seed), channels=1 + seed)) for seed in range(2)]
    sounds = [read_sound(file, 16_000) for file in files]
    rows, _ = run(built.releases["audio-classification"], *files)
    pipe = reference("audio-classification", "audio-classification")
    assert_alike(rows, [{**pipe(sound, top_k=1)[0], "file": file} for sound, file in zip(sounds, files, strict=True)])
    rows, _ = run(built.releases["automatic-speech-recognition"], *files)
    pipe = reference("automatic-speech-recognition", "automatic-speech-recognition")
    assert rows == [{"text": pipe(sound)["text"], "file": file} for sound, file in zip(sounds, files, strict=True)]


def test_speech_is_written_down_however_long_it_is(built, reference, tmp_path):
    short, long = (str(write_sound(tmp_path / f"{count}.wav", random_sound(0, count))) for count in (400, 20_000))
    rows, _ = run(built.releases["speech-seq2seq"], short, long)
    pipe = reference("automatic-speech-recognition", "speech-seq2seq")
    options = {"generate_kwargs": {"max_new_tokens": 28, "num_beams": 1}}
    said = [pipe(read_sound(short, 16_000), **options), pipe(read_sound(long, 16_000), return_timestamps=True, **options)]
    assert rows == [{"text": each["text"], "file": file} for each, file in zip(said, (short, long), strict=True)]
    assert any(row["text"] for row in rows)


def test_long_speech_needs_timestamps(built, tmp_path):
    release = copy_release(built.releases["speech-seq2seq"], tmp_path)
    file = release / "generation_config.json"
    text = file.read_text().replace('"no_timestamps_token_id"', '"no_timestamps_token_xx"')
    file.unlink()
    file.write_text(text)
    list_anew(release, file.name)
    with pytest.raises(UsageError, match=r"b\.wav is longer than 1 seconds, and this model tells no timestamps"):
        run(release, write_sound(tmp_path / "b.wav", random_sound(0, 20_000)))


def test_voices_are_compared_pair_by_pair(built, models, tmp_path):
    files = [str(write_sound(tmp_path / f"{seed}.wav", random_sound(seed))) for seed in range(2)]
    [row], _ = run(built.releases["audio-xvector"], *files)
    model = transformers.AutoModelForAudioXVector.from_pretrained(models["audio-xvector"]).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(models["audio-xvector"])
    with torch.no_grad():
        one, other = (
            model(**extractor(read_sound(file, 16_000), sampling_rate=16_000, return_tensors="pt")).embeddings for file in files
        )
    assert_alike(row, {"similarity": float(torch.cosine_similarity(one, other)), "a": files[0], "b": files[1]})
    [alone], _ = run(built.releases["audio-xvector"], files[0])
    assert_alike(alone, {"file": files[0], "embedding": one[0].tolist()})


def test_who_speaks_is_told_from_when_to_when(built, models, tmp_path):
    file = str(write_sound(tmp_path / "a.wav"))
    rows, _ = run(built.releases["audio-frame-classification"], file)
    model = transformers.AutoModelForAudioFrameClassification.from_pretrained(models["audio-frame-classification"]).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(models["audio-frame-classification"])
    with torch.no_grad():
        logits = model(**extractor(read_sound(file, 16_000), sampling_rate=16_000, return_tensors="pt")).logits[0]
    told = torch.zeros(logits.shape, dtype=torch.bool)
    for row in rows:
        first, last = (round(row[edge] * 16_000 / 400 * len(told)) for edge in ("start", "end"))
        told[first:last, model.config.label2id[row["label"]]] = True
    assert torch.equal(told, logits.sigmoid() > 0.5)
    assert all(row["start"] < row["end"] <= 400 / 16_000 for row in rows)


FITTING = {
    "text-classification": LONG,
    "token-classification": LONG,
    "fill-mask": f"the [MASK] {LONG}",
    "feature-extraction": LONG,
    "text-generation": LONG,
}


@pytest.mark.parametrize("task", FITTING)
def test_a_long_text_is_refused_unless_it_may_be_cut(vivid, task):
    text = FITTING[task]
    with pytest.raises(ShapeError) as caught:
        run(vivid.releases[task], text)
    assert caught.value.hint.startswith("--fit cuts texts") or task == "text-generation"
    if task == "text-generation":
        assert run(vivid.releases[task], text, fit=True)[0][0]["text"].startswith(text)
        return
    cut = " ".join(text.split()[:14])
    assert_alike(
        [plainly(row) for row in run(vivid.releases[task], text, fit=True)[0]],
        [plainly(row) for row in run(vivid.releases[task], cut)[0]],
    )


def plainly(row):
    return {key: value for key, value in row.items() if key != "text"}


@pytest.mark.parametrize(
    "task", ["audio-classification", "automatic-speech-recognition", "audio-xvector", "audio-frame-classification"]
)
def test_sound_of_another_length_is_refused_unless_it_may_be_padded(built, tmp_path, task):
    short, long = (write_sound(tmp_path / f"{count}.wav", random_sound(0, count)) for count in (300, 500))
    padded = write_sound(tmp_path / "padded.wav", np.pad(random_sound(0, 300), (0, 100)))
    for file in (short, long):
        with pytest.raises(ShapeError, match="audio_sequence_length=") as caught:
            run(built.releases[task], file)
        assert "--fit" in caught.value.hint
    rows, expected = run(built.releases[task], short, fit=True)[0], run(built.releases[task], padded)[0]
    assert_alike([{**row, "file": ""} for row in rows], [{**row, "file": ""} for row in expected])
    with pytest.raises(ShapeError):
        run(built.releases[task], long, fit=True)


@pytest.mark.parametrize("text", ["", " ", "\t", "😀", "x" * 10_000])
def test_any_text_gives_an_answer(built, text):
    [row], _ = run(built.releases["text-classification"], text)
    assert row["text"] == text


def test_what_is_no_release_is_refused(built, tmp_path):
    with pytest.raises(ReleaseError, match="it is no release"):
        run(tmp_path, "text")


def test_arguments_that_are_no_text_are_refused(built):
    with pytest.raises(UsageError, match="isn't UTF-8"):
        run(built.releases["fill-mask"], "\udcff\udcfe")


def test_a_picture_is_read_as_the_pipeline_reads_it(pictures):
    for file in pictures:
        assert np.array_equal(np.asarray(read_image(file)), np.asarray(transformers.image_utils.load_image(file)))


def lines_of(monkeypatch, data: bytes, *inputs: str) -> list[str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return _with_lines(inputs)


def test_a_dash_stands_for_the_lines_of_the_standard_input(monkeypatch):
    assert lines_of(monkeypatch, b"one\ntwo\r\n\nfour", "-") == ["one", "two", "", "four"]
    assert lines_of(monkeypatch, "a ü\n".encode(), "first", "-", "last") == ["first", "a ü", "last"]
    assert lines_of(monkeypatch, b"\n", "-") == [""]
    assert lines_of(monkeypatch, b"unread", "a-b", "--") == ["a-b", "--"]


@pytest.mark.parametrize("character", [*"\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"])
def test_nothing_but_a_line_end_ends_a_line(monkeypatch, character):
    text = f"one{character}half\ntwo\r\n"
    assert lines_of(monkeypatch, text.encode(), "-") == [f"one{character}half", "two"]


@pytest.mark.parametrize(
    ("data", "inputs", "text"),
    [(b"", ("-",), "has no line"), (b"\xff\n", ("-",), "isn't UTF-8 text"), (b"a\n", ("-", "-"), "give it once")],
)
def test_a_standard_input_that_cant_be_read_is_told(monkeypatch, data, inputs, text):
    with pytest.raises(UsageError, match=text):
        lines_of(monkeypatch, data, *inputs)


def test_more_labels_than_were_compiled_are_compared_with_each_other(built, reference, pictures):
    labels = ["red", "blue", "green", "a cat", "the sun"]
    rows, _ = run(built.releases["zero-shot-image-classification"], pictures[0], *labels)
    pipe = reference("zero-shot-image-classification", "zero-shot-image-classification")
    said = pipe(pictures[0], candidate_labels=labels)
    assert_alike(rows, [{"score": each["score"], "text": each["label"]} for each in said])
