"""Signs that a text recogniser takes for one another. A difference that is no more than that is never a finding.

Source: confusions seen in readings of rendered telops, and shapes shared by kana and kanji.
"""

from typing import Final

_LATIN: Final = {
    "0": "o",
    "1": "l",
    "i": "l",
    "|": "l",
    "!": "l",
    "5": "s",
    "8": "b",
    "y": "v",
    "q": "g",
    "9": "g",
}
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("ii", "u"))
_SAME_SHAPE: Final = (
    "ー一－―─-‐–—",
    "ニ二",
    "口ロ□",
    "八ハ",
    "カ力",
    "タ夕",
    "ヘへ",
    "ベべ",
    "ペぺ",
    "ト卜",
    "エ工",
    "チ千",
    "ミ三",
    "リり",
    "O0o〇○",
    "lI1|",
    "・.･",
)
_REPRESENTATIVE: Final = {sign: group[0] for group in _SAME_SHAPE for sign in group}

_LOOKALIKES: Final = """
    末未 土士 己已巳 人入 大太犬 干千于 日曰目 田由甲申 待侍持 鳥烏 輪輸論 遣遺 徴微 候侯 網綱
    撤徹 壁璧 幣弊 祭察 治冶 析折 栗粟 因困 陸睦 牛午 右石 刀力 名各 問間関 晴睛清 住往 季委
    氷永水 矢失 史吏 崇祟 孤弧狐 慨概 穫獲護 硬便 径経怪 粉紛 積績 植値殖 講構購 複復腹 裁栽載
    渇褐喝 堀掘 設説 場揚陽湯 険検倹験 偶遇隅 暮墓募幕 成城 技枝 礼札 料科 末来 困囚 木本
    王玉主 白自百 北比 休体 島鳥 貝見
"""
_LOOKALIKE: Final = tuple(_LOOKALIKES.split())


def latin_skeleton(text: str) -> str:
    """Return ``text`` with signs that look alike made the same; equal skeletons may be one word misread."""
    result = text.lower()
    for pair, single in _PAIRS:
        result = result.replace(pair, single)
    return "".join(_LATIN.get(char, char) for char in result)


def same_shape(one: str, other: str) -> bool:
    """Say whether two single signs have the same shape."""
    return one == other or _REPRESENTATIVE.get(one, one) == _REPRESENTATIVE.get(other, other)


def same_shapes(one: str, other: str) -> bool:
    """Say whether two texts differ in nothing but signs of the same shape."""
    return len(one) == len(other) and all(map(same_shape, one, other))


def lookalike(one: str, other: str) -> bool:
    """Say whether a writer may take one kanji for the other (they are not the same shape)."""
    return one != other and any(one in group and other in group for group in _LOOKALIKE)
