"""Sentences come as soon as they are whole, whatever the pieces, and nothing is lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynfusion_ros.audio.sentences import LONGEST, SentenceCutter, cut_sentences

TEXT = (
    "Hello there! Dr. Wu measured 3.5 m, i.e. little, at 10:30. “Really?” she asked. "
    "Yes… it was so.\nA new line (and 2. not a list) follows"
)
SENTENCES = [
    "Hello there!",
    "Dr. Wu measured 3.5 m, i.e. little, at 10:30.",
    "“Really?”",
    "she asked.",
    "Yes…",
    "it was so.",
    "A new line (and 2.",
    "not a list) follows",
]


@given(st.lists(st.integers(0, len(TEXT)), max_size=30))
def test_the_sentences_do_not_depend_on_the_pieces(places):
    bounds = [0, *sorted(places), len(TEXT)]
    pieces = [TEXT[a:b] for a, b in pairwise(bounds)]
    assert list(cut_sentences(pieces)) == SENTENCES


def test_a_sentence_comes_before_the_next_one_is_complete():
    cutter = SentenceCutter()
    assert cutter.push("One moment.") == []  # 3. may become 3.5
    assert cutter.push(" I ") == ["One moment."]
    assert cutter.flush() == ["I"]


def test_speech_may_begin_at_a_comma():
    cutter = SentenceCutter()
    assert cutter.push("Well, if I remember it rightly, that ") == [
        "Well, if I remember it rightly,"
    ]
    assert cutter.push("was long ago, in another place, far away. ") == [
        "that was long ago, in another place, far away."
    ]


def test_marks_of_markdown_are_not_spoken():
    assert list(cut_sentences(["# Title\n- **bold** point\n- `code`\n***\n"])) == [
        "Title",
        "bold point",
        "code",
    ]


@given(st.text(max_size=600))
def test_no_word_is_lost_and_no_piece_is_endless(text):
    spoken = list(cut_sentences(text))
    kept = "".join("".join(spoken).split())
    words = [c for c in text if c.isalnum()]
    assert [c for c in kept if c.isalnum()] == words
    assert all(len(sentence) <= max(LONGEST, 1) for sentence in spoken)


@pytest.mark.parametrize("text", ["", " \n ", "...", "!? —"])
def test_nothing_is_said_where_there_are_no_words(text):
    assert list(cut_sentences([text])) == []


def test_sentences_of_other_scripts_end_without_a_space():
    assert list(cut_sentences(["你好。再见。"])) == ["你好。", "再见。"]
