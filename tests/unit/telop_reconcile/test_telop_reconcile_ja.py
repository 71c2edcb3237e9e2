import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sudachipy")

from jubako_apps.telop.findings import THRESHOLDS, Suspicion
from jubako_apps.telop.reconcile.japanese import suspicions
from jubako_apps.telop.text_ja import numeral, pieces

SPOKEN = (
    "こんばんは。港町ニュースの時間です。新しい橋の工事は、三月十五日に始まります。被害を受けた農家には、補償金が支払われます。"
    "佐々木健一市長は、45億円の補正予算を説明しました。子どもたちは、川の生き物について学びました。次は月曜日に会議を開催します。"
    "秋の収穫を祝う祭りは、未来の町づくりにつながると期待されています。"
)


def found(text: str, speech: str = SPOKEN, source: str = "script", mode: str = "balanced") -> list[Suspicion]:
    both = suspicions(text, speech, "asr" if source == "asr" else "script")
    return [suspicion for suspicion in both if suspicion.confidence >= THRESHOLDS[mode]]


@pytest.mark.parametrize(
    ("text", "kind", "wrong", "right"),
    [
        ("新しい橋の公示は3月15日に始まります", "homophone", "公示", "工事"),
        ("新しい橋の工事は3月16日に始まります", "date", "16", "15"),
        ("農家には保証金が支払われます", "homophone", "保証金", "補償金"),
        ("佐々木健二市長は補正予算を説明", "name", "健二", "健一"),
        ("54億円の補正予算を説明", "number", "54億", "45億"),
        ("川の生き物について学びましだ", "kana", "だ", "た"),
        ("川の生き物についてについて学びました", "extra", "について", ""),
        ("次は火曜日に会議を開催", "date", "火曜日", "月曜日"),
        ("末来の町づくりにつながる", "lookalike", "末来", "未来"),
        ("秋の収獲を祝う祭り", "variant", "収獲", "収穫"),
        ("被害を受けた家には補償金", "missing", "家", "農家"),
    ],
)
def test_an_error_is_found_with_its_kind_and_place(text, kind, wrong, right):
    [suspicion] = found(text)
    assert (suspicion.kind, suspicion.wrong, suspicion.right) == (kind, wrong, right)
    assert text[suspicion.offset :].startswith(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "新しい橋の工事は三月十五日に始まります",
        "新しい橋の工事は３月１５日に始まります",
        "新しい橋の工事\n3月15日に始まります",
        "農家に補償金支払い",
        "子供たちは川の生き物について学びました",
        "こどもたちは川の生き物について学びました",
        "港町二ュースの時間です",
        "取材は5月20日",
        "佐々木健一 市長",
        "",
        "！？…",
        "ABC 100%",
    ],
)
def test_what_is_right_or_only_misread_or_said_otherwise_is_left_alone(text):
    assert found(text) == []


def test_kana_in_the_speech_are_no_evidence_against_kanji():
    assert found("新しい橋の工事が始まります", "あたらしいはしのこうじがはじまります") == []


def test_a_recognised_word_is_believed_only_if_the_telop_is_easier_to_parse_with_it():
    assert found("川の生き物について学びましだ", source="asr")
    assert found("川の生き物について学びました", "川の生き物について学びましだ", "asr") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("二十五", 25),
        ("二五", 25),
        ("百", 100),
        ("三百六", 306),
        ("千二百三十四", 1234),
        ("〇", 0),
        ("三五十", None),
    ],
)
def test_kanji_numerals_have_their_value(text, value):
    assert numeral(text) == value


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("四十五億円", ["45", "億", "円"]),
        ("４５億円", ["45", "億", "円"]),
        ("1,200人", ["1200", "人"]),
        ("三角、一般", ["三", "角", "一", "般"]),
        ("十分な時間", ["十", "分", "な", "時", "間"]),
        ("ﾃﾚﾋﾞ ＴＶ", ["テ", "レ", "ビ", "t", "v"]),
    ],
)
def test_widths_spaces_and_numerals_are_made_equal(text, keys):
    assert [piece.key for piece in pieces(text)] == keys


@given(st.text())
def test_every_piece_keeps_its_place(text):
    for piece in pieces(text):
        assert 0 <= piece.start < piece.end <= len(text)


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="新しい橋の公示は3月15日まで二十五億円一ーカ力 、。", max_size=40),
    st.text(alphabet="新しい橋の工事は3月16日まで三十五億円一ーカ力 、。", max_size=120),
    st.sampled_from(["script", "asr"]),
)
def test_no_text_whatever_breaks_it_and_places_lie_in_the_telop(text, speech, source):
    for suspicion in suspicions(text, speech, source):
        assert 0 <= suspicion.offset <= len(text)
        assert 0 <= suspicion.confidence <= 1


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_what_is_said_word_for_word_is_never_suspicious(text):
    assert found(text, text, mode="sensitive") == []
