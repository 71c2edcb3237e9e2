from itertools import pairwise

import pytest

from jubako_apps.telop.script import ScriptError, decode, parse, words
from jubako_apps.telop.telops import Transcript

SRT = """\
1
00:00:01,500 --> 00:00:03,000
<i>Good evening.</i>
{\\an8}This is the news.

2
00:00:04,000 --> 00:00:06,250
The bridge opens on March 15th.
3
00:00:07,000 --> 00:00:08,000
No empty line came before this one.

4
00:00:09,000 --> 00:00:10,000

"""

VTT = """\
WEBVTT - the evening news

STYLE
::cue { color: lime }

NOTE 00:01 is not a cue

intro
00:01.500 --> 00:03.000 align:start position:10%
<v Anna>Tom &amp; Jerry</v> <c.loud>sing</c>

1:00:04.000 --> 1:00:06.250
Late
"""

WHOLE = [(0.0, 60.0)]


def said(transcript: Transcript) -> list[tuple[float, float, str]]:
    return [(u.start, u.end, u.text) for u in transcript.utterances]


def test_srt_cues_become_utterances_without_their_markup():
    transcript = parse(SRT.encode(), ".srt", "en", WHOLE)
    assert transcript.source == "script"
    assert said(transcript) == [
        (1.5, 3.0, "Good evening. This is the news."),
        (4.0, 6.25, "The bridge opens on March 15th."),
        (7.0, 8.0, "No empty line came before this one."),
    ]
    assert [u.id for u in transcript.utterances] == [0, 1, 2]


def test_vtt_cues_become_utterances_and_its_other_blocks_nothing():
    assert said(parse(VTT.encode(), ".vtt", "en", WHOLE)) == [
        (1.5, 3.0, "Tom & Jerry sing"),
        (3604.0, 3606.25, "Late"),
    ]


def test_cues_out_of_order_are_put_in_order():
    lines = SRT.split("\n")
    shuffled = "\n".join([*lines[5:], "", *lines[:5]])
    assert said(parse(shuffled.encode(), ".srt", "en", WHOLE)) == said(
        parse(SRT.encode(), ".srt", "en", WHOLE)
    )


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_of_other_systems_change_nothing(ends):
    assert parse(SRT.replace("\n", ends).encode(), ".srt", "en", WHOLE) == parse(
        SRT.encode(), ".srt", "en", WHOLE
    )


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932", "shift_jis", "euc_jp"]
)
def test_japanese_scripts_are_read_in_the_encodings_editors_send(encoding):
    text = "市議会は火曜日、補正予算を可決しました。\n新しい橋の工事がカナダで始まります。\n"
    assert decode(text.encode(encoding), "ja") == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_english_scripts_are_read_in_the_encodings_editors_send(encoding):
    assert decode("The café’s owner".encode(encoding), "en") == "The café’s owner"


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x03" * 20, b"\x89PNG\r\n\x1a\n" + bytes(64)])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_is_no_text_is_refused_in_words(data, language):
    with pytest.raises(ScriptError, match="is not a text file"):
        parse(data, ".txt", language, WHOLE)


@pytest.mark.parametrize(
    ("data", "kind", "what"),
    [
        (b"Only words, no times", ".srt", "no timed captions"),
        (b" \n\n", ".txt", "no words"),
        (b"", ".vtt", "no timed"),
    ],
)
def test_a_script_without_content_is_refused_in_words(data, kind, what):
    with pytest.raises(ScriptError, match=what):
        parse(data, kind, "en", WHOLE)


def test_words_share_their_cue_by_length():
    timed = words("a bbb cc", (2.0, 5.0), "en")
    assert [(w.text, w.start, w.end) for w in timed] == [("a", 2.0, 2.5), ("bbb", 2.5, 4.0), ("cc", 4.0, 5.0)]
    assert {w.confidence for w in timed} == {1.0}


def test_japanese_pieces_end_at_punctuation():
    timed = words("市長は、300人を雇うと説明しました。", (0.0, 1.0), "ja")
    assert [w.text for w in timed] == ["市長は、", "300人を雇うと説明しました。"]


def test_plain_text_is_laid_over_the_time_in_which_somebody_speaks():
    spoken = [(10.0, 14.0), (20.0, 26.0)]
    transcript = parse(b"aaaa\n\nbbbb\ncc\n", ".txt", "en", spoken)
    assert said(transcript) == [(10.0, 14.0, "aaaa"), (20.0, 24.0, "bbbb"), (24.0, 26.0, "cc")]


def test_a_long_paragraph_is_cut_into_sentences():
    english = parse(("One sentence is here. " * 20).encode(), ".txt", "en", WHOLE)
    assert len(english.utterances) == 20
    japanese = parse(("これはひとつの文です。" * 20).encode(), ".txt", "ja", WHOLE)
    assert len(japanese.utterances) == 20
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(japanese.utterances))


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("明日は全国的に晴れて気温が高くなる見込みです。", "en", "is in Japanese"),
        ("The weather will stay dry until the end of the week, they said.", "ja", "not in Japanese"),
    ],
)
def test_a_script_in_another_language_is_refused_with_a_sentence(text, language, words):
    with pytest.raises(ScriptError, match=words):
        parse(text.encode(), ".txt", language, [(0.0, 5.0)])


def test_an_old_japanese_script_given_as_english_is_called_japanese():
    text = "明日は全国的に晴れて気温が高くなる見込みです。"
    with pytest.raises(ScriptError, match="is in Japanese"):
        parse(text.encode("cp932"), ".txt", "en", WHOLE)


TTML = """\
<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 ttp:frameRate="25" ttp:tickRate="10">
 <head><metadata>not said</metadata></head>
 <body><div begin="10s">
  <p begin="00:00:01.5" end="00:00:03:05">Good <span>evening.</span><br/>This is the news.</p>
  <p begin="40t" dur="2s">Tom &amp; Jerry</p>
  <p begin="1m">Without an end</p>
 </div></body>
</tt>
"""


def test_ttml_cues_become_utterances_in_all_its_ways_to_tell_time():
    assert said(parse(TTML.encode(), ".ttml", "en", WHOLE)) == [
        (11.5, 13.2, "Good evening. This is the news."),
        (14.0, 16.0, "Tom & Jerry"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "ha">]><tt><body><p begin="1s" end="2s">&a;</p></body></tt>',
        "<tt><body>",
        '<tt><body><p begin="soon" end="2s">x</p></body></tt>',
        '<tt frameRate="x"><body><p begin="1s" end="2s">x</p></body></tt>',
    ],
)
def test_xml_that_is_no_timed_text_is_refused_in_words(text):
    with pytest.raises(ScriptError, match="no TTML document"):
        parse(text.encode(), ".ttml", "en", WHOLE)


def test_a_few_foreign_words_are_no_other_language():
    assert parse(b"Tokyo 2020 OK", ".txt", "ja", [(0.0, 5.0)]).utterances
    assert parse("He said 東京 is big and beautiful".encode(), ".txt", "en", [(0.0, 5.0)]).utterances
