"""Sentences, telops made from them, and planted errors: the material of `telop_quality.py --sentences`.

A sentence becomes a telop word for word, without its end, or as a headline; half of the telops get one error. The
half with odd numbers is held back: rules are changed by looking at the even half only.
"""

import random
import re
from dataclasses import dataclass

EN = """
The weather will stay dry until the end of the week.
Police are looking for two men who robbed a bank in the center of Boston.
The new principal of the school said that 340 pupils had passed the examination.
Their house was damaged by the storm on the 14th of November.
Professor Elizabeth Warner discovered a new species of frog in the mountains of Peru.
The company will close its factory in Denver and cut 1,200 jobs.
Firefighters needed six hours to bring the fire under control.
The team won its fourth game in a row and leads the table with 31 points.
Visitors can see the whole collection from Tuesday to Saturday.
The price of a loaf of bread has risen by 12 percent since January.
Doctors recommend at least seven hours of sleep every night.
The government wants to build 5,000 new homes near the coast.
Captain Henry Sullivan received a medal for his brave decision.
A heavy earthquake shook the island early on Wednesday morning.
The museum will sell the painting in order to repair its roof.
Scientists measured the temperature of the sea at 80 sites.
The minister promised peace talks before the end of October.
Children under the age of six travel free on all ferries.
The singer will perform in Vienna on the 3rd of June.
The road between the airport and the city remains closed.
Farmers expect the best harvest for twenty years.
The judge accepted the appeal of the football player.
More than 45,000 people visited the flower show this weekend.
The library has received letters written by the famous poet Walter Grant.
The committee will publish its report next Thursday.
Volunteers removed nine tons of waste from the beach.
The bridge was opened to traffic after repairs that took three years.
The actress Julia Bennett will play the leading role.
Trains will be replaced by buses on Sunday night.
The mayor thanked the neighbors for their patience during construction.
The whale was seen near the harbor again on Friday.
Our reporter Daniel Foster spoke with the owner of the ship.
Temperatures may fall below 15 degrees in the north.
The restaurant received two stars for its fish soup.
The hospital needs 60 nurses before the winter.
The exhibition shows clothes from the eighteenth century.
The council will decide on the budget of 27 million dollars in March.
The rescue of the climbers took more than eleven hours.
The bakery has produced the same cake since 1926.
Parents complained about the quality of school meals.
The river rose by three feet within one night.
The orchestra celebrates its hundredth birthday with a free concert.
Experts warn that the glacier will disappear by 2060.
The winner of the marathon came from Kenya.
Thieves stole a statue of Queen Margaret from the garden.
The airline has ordered 18 aircraft of the new type.
The village will receive a new water tower in August.
Students built a car that needs no fuel.
The zoo announced the birth of a rare white tiger.
The president will meet the leaders of both parties on Monday.
""".strip().splitlines()

JA = """
明日は全国的に晴れて、気温が高くなる見込みです。
政府は来月から新しい制度を導入することを決めました。
県警は、現金三百万円を奪った疑いで男を逮捕しました。
高校生が考えた商品の販売が、土曜日から始まります。
鈴木一郎さんは、四十年間この町で豆腐を作り続けています。
台風の影響で、多くの列車が運休しています。
市の図書館は、改装工事のため8月20日まで閉館します。
専門家は、早めの避難が重要だと指摘しています。
日本代表は、後半に2点を奪って逆転勝利しました。
この寺の庭園は、国の名勝に指定されています。
消費者の意識の変化が、売り上げに影響を与えています。
山本和子教授は、海の生態系を研究しています。
被災地では、ボランティアが家の片付けを続けています。
新しい駅の開業は、2027年3月の予定です。
秋の味覚を楽しむ祭りに、一万五千人が訪れました。
会社は、事故の原因を調査して公表する方針です。
選手たちは、厳しい練習に耐えて優勝を果たしました。
この地域の人口は、十年前と比べて三割減りました。
大臣は、会見で責任を認めて謝罪しました。
児童は、地元の漁師から網の作り方を教わりました。
工場の排水が、川の水質を悪化させていました。
医師は、十分な睡眠と運動を勧めています。
映画の公開を記念して、主演の高橋美咲さんが舞台に登場しました。
裁判所は、住民の訴えを退ける判決を言い渡しました。
野菜の価格は、先週より15パーセント上がっています。
伝統の技術を守るため、若い職人を募集しています。
火災は、およそ六時間後に消し止められました。
協議会は、観光客の受け入れ態勢を検討しています。
研究チームは、新しい治療法の効果を確認しました。
水曜日の夜は、雷を伴う激しい雨に注意が必要です。
港では、サンマの水揚げが最盛期を迎えています。
知事は、避難所の環境を改善すると述べました。
学校は、生徒の安全を最優先に考えると説明しました。
美術館では、江戸時代の絵画を展示しています。
電車の運賃は、10月1日から20円値上げされます。
渡辺健太選手は、自己最高の記録で金メダルを獲得しました。
農園では、有機栽培のトマトが収穫の時期を迎えました。
委員会は、報告書を金曜日に提出します。
登山者は、救助隊によって無事に保護されました。
この店のうどんは、濃い味のつゆが特徴です。
空港の利用者は、過去最多の240万人でした。
住民は、計画の見直しを求めて署名を集めています。
新人の小林直樹監督が、脚本も担当しました。
川の堤防の補強工事は、年内に完成する見通しです。
全国大会には、32チームが出場します。
保育園の園児が、田植えを体験しました。
警察は、防犯カメラの映像を解析しています。
ダムの貯水率は、平年の半分まで下がりました。
交通事故の件数は、五年連続で減少しています。
作家の森田陽子さんの新作が、話題を集めています。
""".strip().splitlines()

HOMOPHONES_EN = {
    "weather": "whether", "their": "there", "see": "sea", "sea": "see", "whole": "hole", "principal": "principle",
    "sites": "sights", "peace": "piece", "role": "roll", "waste": "waist", "sell": "cell", "week": "weak",
    "new": "knew", "meet": "meat", "fourth": "forth", "hours": "ours", "brave": "brave", "whale": "wail",
    "rose": "rows", "bread": "bred", "night": "knight", "flower": "flour", "nurses": "nurses", "bank": "bank",
}  # fmt: skip
HOMOPHONES_JA = {
    "制度": "精度", "意識": "意志気", "原因": "減員", "公開": "後悔", "環境": "感興", "効果": "高価", "工事": "公示",
    "指摘": "私的", "保護": "補語", "解析": "改席", "態勢": "体制", "記録": "帰録", "改善": "快善", "検討": "健闘",
    "以上": "異常", "開業": "改行", "運賃": "運陳", "価格": "科学", "影響": "栄京", "特徴": "特長", "体験": "大検",
    "優勝": "優賞", "見直し": "見治し", "確認": "確任", "方針": "砲身", "展示": "点字", "提出": "呈出", "責任": "積任",
}  # fmt: skip
LOOKALIKE_JA = {
    "網": "綱", "職": "識", "治": "冶", "末": "未", "獲": "穫", "複": "復", "険": "検", "緒": "諸", "微": "徴",
    "優": "憂", "測": "側", "輪": "輸", "講": "構", "績": "積", "植": "殖", "遣": "遺", "待": "侍",
    "栽": "裁", "堤": "提", "晴": "睛",
}  # fmt: skip
NAMES_JA = {"一郎": "一朗", "和子": "和美", "美咲": "美作", "健太": "健二", "直樹": "直紀", "陽子": "洋子"}
KANA_JA = {
    "た": "だ",
    "て": "で",
    "は": "ば",
    "が": "か",
    "し": "じ",
    "く": "ぐ",
    "す": "ず",
    "い": "り",
    "ら": "る",
}
MONTHS = "January February March April June July August September October November".split()  # noqa: SIM905
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905
CLEAN = 0.5
"""Part of the telops without an error."""

DROPPED = frozenset("a an the is are was were has have will be been".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sentence, the telop made of it, and the planted error (kind, wrong, right) or None."""

    spoken: str
    telop: str
    error: tuple[str, str, str] | None


def cases(language: str, seed: int, *, held_back: bool) -> list[Case]:
    """Return one case for each sentence of the wanted half."""
    sentences = EN if language == "en" else JA
    make = english if language == "en" else japanese
    chosen = [text for number, text in enumerate(sentences) if bool(number % 2) == held_back]
    return [make(text, random.Random(f"{seed} {text}")) for text in chosen]


def english(spoken: str, rng: random.Random) -> Case:
    words = spoken.rstrip(".").split()
    style = rng.choice(("whole", "whole", "cut", "headline"))
    if style == "cut":
        words = words[: max(5, len(words) - rng.randint(1, 4))]
    if style == "headline":
        words = [word for word in words if word.lower() not in DROPPED]
    if rng.random() < CLEAN:
        return Case(spoken=spoken, telop=" ".join(words), error=None)
    errors = [found for make in _ERRORS_EN for found in make(words, rng)]
    kind = rng.choice(sorted({error[0] for error in errors}))
    kind, place, old, new = rng.choice([error for error in errors if error[0] == kind])
    changed = [*words[:place], *new.split(), *words[place + 1 :]]
    telop = " ".join(changed)
    if kind == "missing":
        # What is wrong is the gap: between the two words around it.
        return Case(spoken=spoken, telop=telop, error=(kind, " ".join(changed[place - 1 : place + 1]), old))
    return Case(spoken=spoken, telop=telop, error=(kind, new, old))


Error = tuple[str, int, str, str]
"""(kind, place, old, new)"""


def _misspelt(words: list[str], rng: random.Random) -> list[Error]:
    found = []
    for place, word in enumerate(words):
        if word.isalpha() and len(word) >= 5 and word.islower():
            at = rng.randint(1, len(word) - 3)
            swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            dropped = word[:at] + word[at + 1 :]
            doubled = word[:at] + word[at] + word[at:]
            new = rng.choice([swapped, dropped, doubled])
            found += [("misspelling", place, word, new)] if new != word else []
    return found


def _homophone(words: list[str], _: random.Random) -> list[Error]:
    pairs = ((place, word, HOMOPHONES_EN.get(word)) for place, word in enumerate(words))
    return [("homophone", place, word, new) for place, word, new in pairs if new and new != word]


def _number(words: list[str], rng: random.Random) -> list[Error]:
    found = []
    for place, word in enumerate(words):
        if re.fullmatch(r"[\d,]+", word):
            digit = rng.choice([n for n, char in enumerate(word) if char.isdigit()])
            found.append(
                (
                    "number",
                    place,
                    word,
                    word[:digit] + str((int(word[digit]) + 3) % 9 + 1) + word[digit + 1 :],
                )
            )
    return [error for error in found if error[2] != error[3]]


def _date(words: list[str], rng: random.Random) -> list[Error]:
    return [
        ("date", place, word, rng.choice([other for other in group if other != word]))
        for place, word in enumerate(words)
        for group in (MONTHS, DAYS)
        if word in group
    ]


def _name(words: list[str], rng: random.Random) -> list[Error]:
    found = []
    for place, word in enumerate(words[1:], start=1):
        if word[0].isupper() and word not in MONTHS + DAYS and len(word) >= 5:
            at = rng.randint(2, len(word) - 2)
            new = word[:at] + rng.choice("aeinorst") + word[at + 1 :]
            found += [("name", place, word, new)] if new != word else []
    return found


def _doubled(words: list[str], rng: random.Random) -> list[Error]:
    place = rng.randint(1, len(words) - 2)
    return [("doubled", place, words[place], f"{words[place]} {words[place]}")]


def _missing(words: list[str], rng: random.Random) -> list[Error]:
    places = [n for n in range(2, len(words) - 2) if words[n].lower() not in DROPPED and words[n].islower()]
    return [("missing", place, words[place], "") for place in rng.sample(places, min(1, len(places)))]


_ERRORS_EN = (_misspelt, _homophone, _number, _date, _name, _doubled, _missing)


def japanese(spoken: str, rng: random.Random) -> Case:
    telop = re.sub(r"[、。]", rng.choice(["", " "]), spoken).strip()
    for kanji, digits in (
        ("四十", "40"),
        ("三百万", "300万"),
        ("一万五千", "1万5000"),
        ("十年", "10年"),
        ("六時", "6時"),
    ):
        telop = telop.replace(kanji, digits)
    style = rng.choice(("whole", "whole", "cut", "noun"))
    if style == "cut":
        telop = re.sub(r"(ています|ました|です|ます)$", "", telop)
    if style == "noun":
        telop = re.sub(r"(を|が)(?=[一-龠])", " ", telop, count=1)
    errors = _errors_ja(telop, rng) if rng.random() >= CLEAN else []
    if not errors:
        return Case(spoken=spoken, telop=telop, error=None)
    kind = rng.choice(sorted({error[0] for error in errors}))
    kind, place, old, new = rng.choice([error for error in errors if error[0] == kind])
    changed = telop[:place] + new + telop[place + len(old) :]
    if kind == "missing":
        return Case(spoken=spoken, telop=changed, error=(kind, changed[place - 1 : place + 1], old))
    return Case(spoken=spoken, telop=changed, error=(kind, new, old))


def _errors_ja(telop: str, rng: random.Random) -> list[Error]:
    found: list[Error] = []
    for kind, table in (("homophone", HOMOPHONES_JA), ("lookalike", LOOKALIKE_JA), ("name", NAMES_JA)):
        found += [(kind, telop.index(old), old, new) for old, new in table.items() if old in telop]
    for match in re.finditer(r"\d+", telop):
        old, unit = match.group(), telop[match.end() : match.end() + 1]
        kind = "date" if unit in {"月", "日", "年", "時"} else "number"
        found.append((kind, match.start(), old, str(int(old) + rng.choice([1, 3, 10]))))
    for match in re.finditer("[月火水木金土日](?=曜)", telop):
        found.append(
            (
                "date",
                match.start(),
                match.group(),
                rng.choice([d for d in "月火水木金土日" if d != match.group()]),
            )
        )
    kana = list(re.finditer("(?<=[ぁ-ん])[たてしくすいら](?=[ぁ-ん]|$)", telop))
    if kana:
        match = rng.choice(kana)
        found.append(("kana", match.start(), match.group(), KANA_JA[match.group()]))
    doubles = list(re.finditer("から|まで|より|など|ため|[一-龠]{2}(?=[をがはの])", telop))
    if doubles:
        match = rng.choice(doubles)
        found.append(("doubled", match.start(), match.group(), match.group() * 2))
    inner = list(re.finditer("(?<=[一-龠][ぁ-ん])[ぁ-ん](?=[ぁ-ん])", telop))
    if inner:
        match = rng.choice(inner)
        found.append(("missing", match.start(), match.group(), ""))
    return found


def noisy(text: str, language: str, rate: float, rng: random.Random) -> str:
    """Return ``text`` as a poor recogniser would have it: small, unpunctuated, some of it misheard or left out.

    A number is misheard as a whole: as another number.
    """
    if language == "en":
        plain = re.sub(r"[.,]", "", text.lower()).split()
        words = [_misheard_en(word, rng) if rng.random() < rate else word for word in plain]
        return " ".join(word for word in words if word)
    signs = re.findall(r"\d+|.", re.sub("[、。]", "", text))
    return "".join(_misheard_ja(sign, rng) if rng.random() < rate else sign for sign in signs)


def _misheard_en(word: str, rng: random.Random) -> str:
    if word.isdigit():
        return str(int(word) + rng.choice([1, 10, 30]))
    near = {"their": "there", "two": "to", "for": "four", "see": "sea", "new": "knew", "is": "as", "a": "the"}
    other = near.get(word, word[:-1] if len(word) > 3 else word + "s")
    return rng.choice([other, other, word + "s", ""])


def _misheard_ja(sign: str, rng: random.Random) -> str:
    if sign.isdigit():
        return str(int(sign) + rng.choice([1, 10, 30]))
    near = {
        "は": "が",
        "が": "は",
        "を": "お",
        "に": "で",
        "の": "も",
        "た": "だ",
        "制": "精",
        "者": "車",
        "会": "回",
    }
    return rng.choice([near.get(sign, sign + sign), "", near.get(sign, "")])
