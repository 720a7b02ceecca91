"""Token ids equal those of transformers' CLIPTokenizer; what is cut off is said."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError
from edgediff_runtimes.text import PromptTruncationWarning, open_tokenizer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tokenizer" / "ids.json").read_text(encoding="utf-8"))
LIMIT = GOLDEN["max_tokens"]
LONG = "the cat and the dog in the garden under the green tree with red flowers on the table"


@pytest.fixture(scope="session")
def tokenizer_of(golden):
    return lambda name, **limits: open_tokenizer(golden / "tokenizer" / name, **{"max_tokens": LIMIT, **limits})


@pytest.fixture
def tokenizer_dir(golden, tmp_path):
    """A copy of a tokenizer's files to do harm to."""
    for file in (golden / "tokenizer" / "pad-end").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize("form", ["", "-json"], ids=["vocab.json", "tokenizer.json"])
@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['tokenizer']}-{ascii(case['text'])[:30]}")
def test_ids_are_those_of_transformers(tokenizer_of, case, form):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)
        ids = tokenizer_of(case["tokenizer"] + form).encode([case["text"]]).ids
    assert ids.dtype == np.int64
    assert ids.tolist() == [case["ids"]]


def test_several_prompts_are_rows(tokenizer_of):
    tokenizer = tokenizer_of("pad-end")
    rows = tokenizer.encode(["a red apple", "", "a cat"]).ids
    assert rows.shape == (3, LIMIT)
    assert [row.tolist() for row in rows] == [
        tokenizer.encode([text]).ids[0].tolist() for text in ("a red apple", "", "a cat")
    ]


def _quoted(warning):
    """The text that a warning quotes."""
    return str(warning.message).partition("beginning with ")[2].strip("'")


@pytest.mark.parametrize("form", ["pad-end", "pad-exclamation-json"])
def test_the_warning_quotes_what_is_cut(tokenizer_of, form):
    text = "  The CAT and the dog in the   garden, under the Green café 🍎 tree"
    with pytest.warns(PromptTruncationWarning, match="10 fit: [0-9]+ cut off, beginning with '") as caught:
        tokenizer_of(form).encode([text])
    (warning,) = caught
    assert _quoted(warning) == "the Green café 🍎 tree"


def test_what_is_kept_and_what_is_cut_make_the_whole(tokenizer_of):
    tokenizer = tokenizer_of("pad-end")
    with pytest.warns(PromptTruncationWarning) as caught:
        whole = tokenizer.encode([LONG]).ids
    kept = LONG.removesuffix(_quoted(caught[0]))
    assert kept != LONG
    assert tokenizer.encode([kept]).ids.tolist() == whole.tolist()


def test_the_warning_stays_short_and_points_at_the_caller(tokenizer_of):
    with pytest.warns(PromptTruncationWarning) as caught:
        tokenizer_of("pad-end").encode([LONG * 20])
    (warning,) = caught
    assert len(str(warning.message)) < 160
    assert _quoted(warning).endswith("…")
    assert _quoted(warning).removesuffix("…") in LONG * 2
    assert warning.filename == __file__


def test_only_the_long_prompt_is_warned_of(tokenizer_of):
    with pytest.warns(PromptTruncationWarning) as caught:
        tokenizer_of("pad-end").encode(["a cat", LONG, "a dog"])
    assert len(caught) == 1


def test_a_prompt_that_just_fits_is_not_warned_of(tokenizer_of):
    text = "a a a a a a a a a a"
    row = tokenizer_of("pad-end").encode([text]).ids[0]
    assert len(set(row.tolist())) == 3
    with pytest.warns(PromptTruncationWarning, match="11 tokens, 10 fit: 1 cut off, beginning with 'a'$"):
        tokenizer_of("pad-end").encode([text + " a"])


def test_limits_in_the_file_give_way_to_the_manifests(tokenizer_of, golden, tmp_path):
    values = json.loads((golden / "tokenizer" / "pad-end-json" / "tokenizer.json").read_text(encoding="utf-8"))
    values["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    values["padding"] = {
        "strategy": {"Fixed": 20},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 5,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    got = open_tokenizer(tmp_path, max_tokens=LIMIT).encode(["a red apple on the table"]).ids
    assert got.tolist() == tokenizer_of("pad-end").encode(["a red apple on the table"]).ids.tolist()


@pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
def test_a_missing_file(tokenizer_dir, file):
    (tokenizer_dir / file).unlink()
    with pytest.raises(ComponentFileError, match="no readable tokenizer"):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1.0"}'])
def test_a_broken_tokenizer_json(tokenizer_dir, text):
    (tokenizer_dir / "tokenizer.json").write_text(text)
    with pytest.raises(ComponentFileError, match="no readable tokenizer"):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
@pytest.mark.parametrize("file", ["special_tokens_map.json", "tokenizer_config.json"])
def test_broken_special_tokens(tokenizer_dir, file, text):
    (tokenizer_dir / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ComponentFileError, match=file):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)


def test_a_special_token_outside_of_the_vocabulary(golden, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((golden / "tokenizer" / "pad-end-json" / "tokenizer.json").read_bytes())
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": "<pad>"}))
    with pytest.raises(BundleError, match="no token `<pad>`"):
        open_tokenizer(tmp_path, max_tokens=LIMIT)


def _added(tokenizer_dir, form):
    """Add `<cat-toy>` after the last token; its id."""
    last = max(json.loads((tokenizer_dir / "vocab.json").read_text(encoding="utf-8")).values())
    if form == "added_tokens.json":
        (tokenizer_dir / form).write_text(json.dumps({"<cat-toy>": last + 1}))
    else:
        path = tokenizer_dir / "tokenizer_config.json"
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "special"), False)
        values["added_tokens_decoder"] = {str(last + 1): {"content": "<cat-toy>", "normalized": True, **flags}}
        path.write_text(json.dumps(values))
    return last + 1


@pytest.mark.parametrize("form", ["added_tokens.json", "tokenizer_config.json"])
@pytest.mark.parametrize("text", ["a <cat-toy> red", "A<CAT-TOY>red", "  a  <cat-toy>  red"])
def test_an_added_token_is_one_token(tokenizer_dir, form, text):
    added = _added(tokenizer_dir, form)
    tokenizer = open_tokenizer(tokenizer_dir, max_tokens=LIMIT)
    start, article, colour, end, *_ = tokenizer.encode(["a red"]).ids[0].tolist()
    assert tokenizer.encode([text]).ids[0].tolist()[:5] == [start, article, added, colour, end]


def test_ids_with_an_added_token_are_those_of_transformers(tokenizer_dir):
    _added(tokenizer_dir, "added_tokens.json")
    transformers = pytest.importorskip("transformers")
    reference = transformers.CLIPTokenizer.from_pretrained(tokenizer_dir, local_files_only=True)
    for text in ("a <cat-toy> red", "A <CAT-TOY> x", "a<cat-toy>b", "  <cat-toy>!  "):
        expected = reference(text, padding="max_length", max_length=LIMIT, truncation=True)["input_ids"]
        assert open_tokenizer(tokenizer_dir, max_tokens=LIMIT).encode([text]).ids[0].tolist() == expected


def test_an_added_token_without_the_next_free_id_is_refused(tokenizer_dir):
    last = _added(tokenizer_dir, "added_tokens.json")
    (tokenizer_dir / "added_tokens.json").write_text(json.dumps({"<cat-toy>": last + 5}))
    with pytest.raises(BundleError, match=f"has the id {last + 5}: expected the next free one, {last}"):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)


@pytest.mark.parametrize("values", [{"<cat-toy>": "x"}, {"<cat-toy>": None}, {"<cat-toy>": True}])
def test_an_added_token_without_a_number_is_refused(tokenizer_dir, values):
    (tokenizer_dir / "added_tokens.json").write_text(json.dumps(values))
    with pytest.raises(ComponentFileError, match=r"added_tokens.json` gives '<cat-toy>' no whole number"):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)


@pytest.mark.parametrize("values", [{"x": {"content": "a"}}, {"514": "a"}, {"514": {}}, ["a"]])
def test_an_added_token_that_is_none_is_refused(tokenizer_dir, values):
    (tokenizer_dir / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": values}))
    with pytest.raises(ComponentFileError, match=r"has no token at `added_tokens_decoder"):
        open_tokenizer(tokenizer_dir, max_tokens=LIMIT)
