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
    議義儀犠 関問間聞閉閑開 減滅威 委季秀香 会合今 体休本 暮墓幕募慕 緑縁録 郎朗 義美 建健 到倒致 補捕浦 認忍
    倍培陪部 制製刷 観歓勧権 運連軍 官宮管 態能熊 防妨坊 責貢貴 賃貸貨 賞償 崩萌 環還 暖緩援 縮宿 罰罪 避僻壁 拍泊迫
    拾捨 延廷 進推準 注往住 帯滞 側則測 衝衡衛 苦若 導道 復腹 指脂 違偉緯 援媛緩 穏隠 菓果課 該核刻 慣貫 幹乾 記紀
    給紹 距拒 協脇 均拘 景影 撃繋 堅賢 顕湿 効郊 航抗坑 綱鋼 穀殻 混昆 催摧 採菜彩 際察 撮最 諮姿 持特 識織 失朱
    酬洲 縦従 述術 純鈍 章障 招昭 象像 譲壌 診珍 震振 酔粋 遂逐 整勢 製裂 折拆 絶紀 船般 然燃 送迭 率卒 隊墜 濯躍
    単巣 断継 築策 抽袖 敵適摘 途塗 統続 働動 能態 破波 伯泊 博専 班斑 比批 費貫 票標 副福幅 仏払 紛粉 辺込
    弁井 保呆 報服 放訪 貿留 満溝 脈派 眠眼 迷述 綿線 網縄 訳駅 優憂 予矛 預頂 翌習 落洛 欄瀾 律津 旅族 量重
    輪輸 例列 労栄 録禄 王玉主 白自百 北比 休体 島鳥 貝見
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
