"""Slips of the hand in Japanese telops: every way in which one telop can go wrong, by class."""

import random
import re
from itertools import pairwise

from telop_readings import Said, cut, same_sound
from telop_slips import Slip

_SOUND_ALIKE = """
    追及/追求 保証/補償 補償/保証 対象/対照 以外/意外 意外/以外 異常/異状 回復/快復 開放/解放 関心/感心 機械/機会
    規制/既成 決裁/決済 公演/講演 講演/公演 好意/厚意 最後/最期 支持/指示 指示/支持 収拾/収集 収集/収拾 修正/修整
    紹介/照会 侵入/進入 制作/製作 製作/制作 精算/清算 体制/態勢 態勢/体制 適正/適性 特徴/特長 進展/伸展 振興/進行
    保険/保健 過程/課程 競争/競走 工程/行程 自信/自身 重症/重傷 招集/召集 食料/食糧 人口/人工 選考/先行 同士/同志
    配布/配付 不審/不信 野生/野性 用意/容易 調整/調製 確認/確任 改善/改選 検討/健闘 原因/減員 影響/映響 環境/還境
    効果/高価 予想/予葬 募集/募収 解体/懐胎 避難/非難 警戒/軽快 判断/判段 開催/開際 延期/演期 抽選/抽薦 申請/新生
    感染/幹線 観測/観則 協議/競技 議論/議輪 交渉/高尚 契約/掲約 復帰/復起 獲得/確得 発見/発券 設計/設形 記録/気録
    速い/早い 早い/速い 熱い/暑い 暑い/熱い 温かい/暖かい 暖かい/温かい 収め/納め 努め/務め 務める/努める 変え/替え
    合う/会う 表明/標明 建っ/経っ 建つ/立つ 挙げ/上げ 上げ/挙げ 始め/初め 破り/敗り 破る/敗る 抑え/押さえ 固め/堅め
    痛め/傷め 測る/計る 臨む/望む 見守る/見護る 撮る/取る 取ら/撮ら 泣く/鳴く 鳴く/泣く 放ち/離し 開けら/空けら
"""
_LOOKALIKE = """
    末未 未末 士土 土士 己巳 治冶 網綱 綱網 職識 識職 織職 獲穫 穫獲 複復 復複 険検 検険 緒諸 微徴 徴微 優憂 測側 側測
    輪輸 輸輪 講構 構講 績積 積績 植殖 殖植 遣遺 遺遣 待侍 侍待 持待 栽裁 裁栽 提堤 堤提 晴睛 撤徹 徹撤 壁璧 幣弊 弊幣
    祭察 折析 因困 困因 陸睦 牛午 午牛 名各 問間 間問 関問 閉閑 住往 往住 季委 委季 氷永 永氷 水氷 矢失 失矢 験検 経径
    粉紛 場揚 場陽 掘堀 堀掘 設説 説設 隅偶 暮墓 墓暮 募墓 募幕 幕募 技枝 枝技 札礼 料科 科料 貝見 休体 体休 島鳥 鳥島
    候侯 減滅 滅減 若苦 苦若 官宮 宮官 態熊 熊態 能熊 比北 防妨 妨防 歓観 観歓 勧観 補捕 捕補 郵都 部郎 郎朗 到致 到倒
    倒到 責貢 賃貸 貸賃 貨貸 賞償 償賞 崩萌 渇喝 環還 還環 緩暖 暖緩 縁緑 緑縁 録緑 剣検 剖割 罰罪 避僻 拍泊 泊拍
    拾捨 捨拾    運連 連運 延廷 廷延 進推 注往 訪防 認忍 認識 議義 義議 帯滞 滞帯 側則 則側 載栽 衝衡 衛衝
"""
SOUND_ALIKE = dict(pair.split("/") for pair in _SOUND_ALIKE.split())
LOOKALIKE: dict[str, list[str]] = {}
for pair in _LOOKALIKE.split():
    LOOKALIKE.setdefault(pair[0], []).append(pair[1])

_PAIRS = "かが きぎ くぐ けげ こご さざ しじ すず せぜ ただ てで とど はば ひび へべ".split()  # noqa: SIM905
_VOICED = {pair[0]: pair[1] for pair in _PAIRS} | {pair[1]: pair[0] for pair in _PAIRS}
_SMALL = {"っ": "つ", "ょ": "よ", "ゃ": "や", "ゅ": "ゆ"}
_LEFTOVER = {"を": "がは", "が": "をは", "に": "でを", "は": "がを", "で": "にを", "の": "がは", "と": "のに"}
_NUMBER = re.compile(r"[\d,.]+|[〇一二三四五六七八九十百千]{2,}(?=[万億人円年月日時分秒件ミキグ羽])")
_DATES = frozenset("月日年時")
_SCALES = {"万": "億", "億": "万"}


def slips(text: str, rng: random.Random, *, is_whole: bool) -> list[Slip]:
    """Return one choice of errors for each place that can carry one."""
    words = cut(text)
    found = [
        slip for word in words for slip in (*_homophone(word, rng), *_name(word, rng), *_kana(word, rng))
    ]
    found += [slip for place, sign in enumerate(text) for slip in _lookalike(place, sign, rng)]
    found += [*_listed(text), *_numbers(text, rng), *_weekdays(text, rng), *_doubled(words, rng)]
    if is_whole:
        found += [*_missing(words, rng), *_extra(words, rng)]
    return [slip for slip in found if slip.old != slip.new]


def _has_kanji(text: str) -> bool:
    return re.fullmatch("[\u4e00-\u9fff々]+", text) is not None


def _homophone(word: Said, rng: random.Random) -> list[Slip]:
    """Choose another noun of the same sound, as an input method offers it."""
    if word.part[0] != "名詞" or "固有名詞" in word.part or word.part[1] in {"数", "接尾", "代名詞"}:
        return []
    others = [one for one in same_sound(word.reading, word.part) if one != word.text and _has_kanji(one)]
    others = [one for one in others[:6] if len(one) == len(word.text)]
    if len(word.text) < 2 or not _has_kanji(word.text) or not others:
        return []
    return [Slip(kind="homophone", place=word.start, old=word.text, new=rng.choice(others))]


def _listed(text: str) -> list[Slip]:
    return [
        Slip(kind="homophone", place=text.index(old), old=old, new=new)
        for old, new in SOUND_ALIKE.items()
        if old in text
    ]


def _name(word: Said, rng: random.Random) -> list[Slip]:
    if word.part[2] != "人名" or word.part[0] != "名詞" or not _has_kanji(word.text):
        return []
    if word.part[1] != "固有名詞" or len(word.text) < 2:
        return []
    others = [one for one in same_sound(word.reading, word.part) if one != word.text and _has_kanji(one)][:5]
    swapped = [word.text[:-1] + other for other in LOOKALIKE.get(word.text[-1], [])]
    choices = [one for one in [*others, *swapped] if len(one) == len(word.text)]
    return [Slip(kind="name", place=word.start, old=word.text, new=rng.choice(choices))] if choices else []


def _lookalike(place: int, sign: str, rng: random.Random) -> list[Slip]:
    others = LOOKALIKE.get(sign)
    return [Slip(kind="lookalike", place=place, old=sign, new=rng.choice(others))] if others else []


def _numbers(text: str, rng: random.Random) -> list[Slip]:
    found = []
    for match in _NUMBER.finditer(text):
        old, unit = match.group(), text[match.end() : match.end() + 1]
        kind = "date" if unit in _DATES and len(old) <= 4 else "number"
        if old[0].isdigit():
            places = [n for n, char in enumerate(old) if char.isdigit()]
            at = rng.choice(places)
            low = 1 if at == 0 else 0
            new = old[:at] + rng.choice([str(n) for n in range(low, 10) if str(n) != old[at]]) + old[at + 1 :]
        else:
            at = rng.choice([n for n, char in enumerate(old) if char in "一二三四五六七八九"] or [0])
            new = old[:at] + rng.choice([d for d in "二三四五六七八九" if d != old[at]]) + old[at + 1 :]
        found.append(Slip(kind=kind, place=match.start(), old=old, new=new))
        if unit in _SCALES and kind == "number":
            found.append(Slip(kind="number", place=match.end(), old=unit, new=_SCALES[unit]))
    return found


def _weekdays(text: str, rng: random.Random) -> list[Slip]:
    found = []
    for match in re.finditer("[月火水木金土日](?=曜)", text):
        other = rng.choice([day for day in "月火水木金土日" if day != match.group()])
        found.append(Slip(kind="date", place=match.start(), old=match.group(), new=other))
    return found


def _kana(word: Said, rng: random.Random) -> list[Slip]:
    """A mark of voicing or a small sign gone wrong, in a word that is more than a particle."""
    if word.part[0] not in {"動詞", "助動詞", "形容詞", "副詞"} or len(word.text) < 2:
        return []
    places = [n for n, sign in enumerate(word.text) if n and (sign in _VOICED or sign in _SMALL)]
    if not places:
        return []
    at = rng.choice(places)
    sign = word.text[at]
    return [Slip(kind="kana", place=word.start + at, old=sign, new=_SMALL.get(sign) or _VOICED[sign])]


def _doubled(words: list[Said], rng: random.Random) -> list[Slip]:
    inner = [word for word in words[1:-1] if word.part[0] in {"助詞", "名詞"} and word.part[1] != "数"]
    chosen = rng.sample(inner, min(2, len(inner)))
    kept = [word for word in chosen if len(word.text) > 1 or word.part[0] == "助詞"]
    return [Slip(kind="doubled", place=word.start, old=word.text, new=word.text * 2) for word in kept]


def _missing(words: list[Said], rng: random.Random) -> list[Slip]:
    """Leave out a sign inside a verb or its ending, where no headline would."""
    ends = [
        (word.start + n, word.text[n])
        for word, after in pairwise(words)
        for n in range(1, len(word.text))
        if word.part[0] in {"動詞", "助動詞"}
        and after.part[0] in {"動詞", "助動詞", "助詞"}
        and not _has_kanji(word.text[n])
    ]
    return [
        Slip(kind="missing", place=place, old=sign, new="")
        for place, sign in rng.sample(ends, min(2, len(ends)))
    ]


def _extra(words: list[Said], rng: random.Random) -> list[Slip]:
    """Leave behind the particle of an earlier wording."""
    inner = [word for word in words[1:-1] if word.part[:2] == ("助詞", "格助詞") and word.text in _LEFTOVER]
    if not inner:
        return []
    word = rng.choice(inner)
    return [
        Slip(kind="extra", place=word.start, old=word.text, new=word.text + rng.choice(_LEFTOVER[word.text]))
    ]
