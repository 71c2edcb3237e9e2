import pytest

pytest.importorskip("rapidfuzz")

from jubako_apps.telop.signs import as_japanese
from jubako_apps.telop.vote import voted


def test_a_sign_that_most_readings_have_wins_over_the_surest_one():
    text, sure = voted([("Mavor", 0.9), ("Mayor", 0.85), ("Mayor", 0.8)])
    assert text == "Mayor"
    assert 0.8 < sure < 0.9


def test_a_lost_sign_comes_back_and_a_made_up_one_goes():
    assert voted([("festivl", 0.94), ("festival", 0.9), ("festival", 0.9)])[0] == "festival"
    assert voted([("気象庁ロ", 0.94), ("気象庁", 0.9), ("気象庁", 0.9)])[0] == "気象庁"


def test_readings_that_agree_are_as_sure_as_the_surest():
    assert voted([("同じ", 0.7), ("同じ", 0.93)]) == ("同じ", 0.93)


def test_two_that_differ_leave_the_surer_one_and_a_doubt():
    text, sure = voted([("first", 0.9), ("fist", 0.8)])
    assert text == "first"
    assert 0.8 < sure < 0.85


def test_nothing_but_empty_readings_is_no_text():
    assert voted([("", 0.0)]) == ("", 0.0)


def test_chinese_forms_become_japanese_where_there_is_kana():
    assert as_japanese("400世带で断水") == "400世帯で断水"
    assert as_japanese("四百世带") == "四百世带"
    assert as_japanese("世帯で断水") == "世帯で断水"


def test_katakana_beside_numerals_are_numerals():
    assert as_japanese("横ばいのニ・五パーセントでした") == "横ばいの二・五パーセントでした"
    assert as_japanese("テニス 十ハ歳です") == "テニス 十八歳です"
    assert as_japanese("一ミリも動かない") == "一ミリも動かない"


def test_signs_of_one_shape_are_what_their_neighbours_are():
    assert as_japanese("マグロを包丁ー本で") == "マグロを包丁一本で"
    assert as_japanese("同点ゴ一ルを決めた") == "同点ゴールを決めた"
    assert as_japanese("メンバー一人が") == "メンバー一人が"
    assert as_japanese("最大三十五キ口に達する") == "最大三十五キロに達する"
    assert as_japanese("入り口は二つ") == "入り口は二つ"
    assert as_japanese("先輩の厳しいー言") == "先輩の厳しい一言"
    assert as_japanese("すごーい あのー、ちょっと") == "すごーい あのー、ちょっと"
    assert as_japanese("十年間で一 。三倍に") == "十年間で一 ・三倍に"
    assert as_japanese("四百メートルリレ 1は三十八秒", upright=True) == "四百メートルリレ ーは三十八秒"
    assert as_japanese("テスト1は合格") == "テスト1は合格"
