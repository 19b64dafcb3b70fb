"""Made-up company names, Chinese with an English form; whoever bears one of them in the world is not meant."""

from random import Random
from typing import Final

_FIRST: Final = (
    ("瑞", "Rui"), ("禾", "He"), ("澜", "Lan"), ("岚", "Lan"), ("沐", "Mu"), ("衡", "Heng"), ("朗", "Lang"),
    ("稷", "Ji"), ("桐", "Tong"), ("砚", "Yan"), ("舟", "Zhou"), ("麓", "Lu"), ("涵", "Han"), ("钧", "Jun"),
)  # fmt: skip
_SECOND: Final = (
    ("丰", "feng"), ("舟", "zhou"), ("陌", "mo"), ("川", "chuan"), ("屿", "yu"), ("泽", "ze"), ("霖", "lin"),
    ("棠", "tang"), ("越", "yue"), ("禄", "lu"), ("石", "shi"), ("渡", "du"), ("昀", "yun"), ("穗", "sui"),
)  # fmt: skip
_TRADE: Final = (
    ("五金", "Hardware"), ("建材", "Building Materials"), ("食品", "Foods"), ("机电", "Electromechanical"),
    ("日用品", "Household Goods"), ("包装", "Packaging"), ("文具", "Stationery"), ("照明", "Lighting"),
)  # fmt: skip
_FORM: Final = (("有限公司", "Co., Ltd."), ("商行", "Trading House"), ("经营部", "Sales Dept."))


def company_names(rng: Random, count: int) -> list[tuple[str, str]]:
    """`count` different (Chinese, English) names."""
    found: dict[str, str] = {}
    while len(found) < count:
        first, second, trade, form = (rng.choice(part) for part in (_FIRST, _SECOND, _TRADE, _FORM))
        found[first[0] + second[0] + trade[0] + form[0]] = f"{first[1]}{second[1]} {trade[1]} {form[1]}"
    return list(found.items())
