"""Signs that the reader of pictures takes for others, where a Japanese text leaves no doubt, put right.

The models know Chinese as well; where the two countries write one character differently they now and then give the
other country's form. A text with kana in it is Japanese, and none of these forms is in its usual set of characters
(JIS X 0208). What looks like another sign is told by its neighbours: a katakana beside numerals is a numeral (ニ・五),
a kanji between katakana is one of them (ゴ一ル, 三十キ口), a long mark behind a kanji or before what is counted is 一,
the 。 with which a column seems to begin is a decimal point, and a 1 behind katakana in a column a long mark.
"""

import re
from typing import Final

_PAIRS: Final = """
    带帯 强強 团団 县県 对対 关関 丰豊 实実 发発 变変 单単 战戦 图図 厅庁 应応 总総 营営 险険 验験 检検
    边辺 泽沢 择択 续続 读読 卖売 铁鉄 钱銭 转転 轻軽 龙竜 归帰 齐斉 济済 剂剤 黑黒 德徳 樱桜 荣栄 劳労
    严厳 举挙 觉覚 为為 两両 满満 乐楽 药薬 证証 处処 摄摂 隐隠 稳穏 专専 传伝 艺芸 际際 杂雑 难難 脑脳
    恼悩 脏臓 蕴蘊 缘縁 绳縄 绿緑 渔漁 鱼魚 鲸鯨 鸟鳥 岛島 马馬 骑騎 驱駆 语語 说説 记記 设設 许許 诊診
    话話 该該 认認 议議 译訳 试試 诗詩 询詢 谢謝 讲講 调調 谈談 请請 课課 论論 访訪 评評 识識 纪紀 级級
    约約 线線 组組 细細 终終 经経 结結 给給 统統 绝絶 维維 编編 缩縮 织織 红紅 纸紙 纯純 绘絵 门門 问問
    间間 闻聞 阅閲 开開 闭閉 车車 轮輪 输輸 辉輝 连連 进進 远遠 违違 选選 还還 过過 运運 达達 迟遅 迁遷
    见見 规規 观観 视視 贝貝 负負 责責 败敗 货貨 质質 购購 贸貿 费費 资資 赛賽 赞賛 财財 贵貴 贩販 赏賞
    风風 飞飛 饭飯 饮飲 馆館 饰飾 养養 东東 岁歳 产産 亚亜 仅僅 众衆 优優 伤傷 军軍 农農 减減 则則 刚剛
    创創 别別 剧劇 动動 务務 势勢 协協 卫衛 历歴 压圧 员員 响響 围囲 园園 圆円 块塊 场場 坚堅 报報 墙壁
    备備 复復 头頭 夺奪 奖奨 妇婦 宁寧 审審 宪憲 宾賓 层層 帅帥 师師 帮幇 库庫 庆慶 张張 弹弾 录録 忆憶
    态態 怀懐 恶悪 户戸 护護 拟擬 换換 损損 摇揺 敌敵 时時 显顕 晓暁 权権 极極 构構 标標 样様 树樹 桥橋
    杀殺 毁毀 毕畢 汉漢 沟溝 洁潔 测測 浓濃 灭滅 灾災 热熱 爱愛 环環 现現 电電 监監 盘盤 码碼 确確 离離
    种種 积積 穷窮 竞競 笔筆 签簽 简簡 紧緊 罗羅 罚罰 职職 联連 胜勝 腾騰 虏虜 虽雖 补補 订訂 讨討 让譲
    训訓 诉訴 词詞 诱誘 谋謀 谨謹 谱譜 贫貧 贤賢 办弁 邮郵 邻隣 酱醤 释釈 钟鐘 钢鋼 铃鈴 银銀 链鎖 锁鎖
    镇鎮 镜鏡 长長 阳陽 阴陰 阶階 阵陣 陆陸 韩韓 页頁 顶頂 项項 顺順 须須 预預 领領 频頻 题題 颜顔 额額
    顾顧 类類 每毎 盜盗
"""
_TABLE: Final[dict[int, str]] = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_NUMERALS: Final = "〇一二三四五六七八九十百千"
_NUMERAL: Final = re.compile(f"[ニハミ](?=・?[{_NUMERALS}])|(?<=[{_NUMERALS}])[ニハミ](?![ァ-ヺ])")
_LONG_FOR_ONE: Final = re.compile(
    "(?<=[\u3400-\u9fff々])ー|(?<=[いをのにはがでともなた])ー(?=[本人言番部度方日年月回般致定瞬緒])"
)
_UPRIGHT_LONG: Final = re.compile("(?<=[ァ-ヺ])1(?=[ぁ-ゖァ-ヺ])|(?<=[ァ-ヺ] )1(?=[ぁ-ゖァ-ヺ])")
_POINT: Final = re.compile(f"(?<=[{_NUMERALS}]) 。(?=[{_NUMERALS}])")
_AMONG_KATAKANA: Final = re.compile(
    "(?<=[ァ-ヺー])[一二八口力夕工卜](?=[ァ-ヺー])|(?<=[0-9〇一二三四五六七八九十百千万]キ)口"
)
_AS_KATAKANA: Final = dict(zip("一二八口力夕工卜", "ーニハロカタエト", strict=True))
_AS_NUMERAL: Final = {"ニ": "二", "ハ": "八", "ミ": "三"}
_KANA: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


def as_japanese(text: str, *, upright: bool = False) -> str:
    """Return ``text`` with such signs put right, if there is a kana in it."""
    if not _KANA.search(text):
        return text
    if upright:
        text = _UPRIGHT_LONG.sub("ー", text)
    plain = _POINT.sub(" ・", _LONG_FOR_ONE.sub("一", text.translate(_TABLE)))
    plain = _AMONG_KATAKANA.sub(lambda match: _AS_KATAKANA[match.group()], plain)
    return _NUMERAL.sub(lambda match: _AS_NUMERAL[match.group()], plain)
