"""One sentence about a warning, in English and Chinese with equal numbers: the same in API, inbox and demo."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from shared.events.alerting import Warning as WarningDocument

Numbers = Mapping[str, str]


class Sentence(NamedTuple):
    """The same statement in both languages."""

    en: str
    zh: str


def sentence(warning: WarningDocument, name: str) -> Sentence:
    """What the warning says about `name`: as it stands, or as it stood at its height once it has ended."""
    end = None if warning.ended_at is None else warning.end_reason or ""
    taken_back = warning.condition == "retracted"
    return statement(warning.code, name, warning.scope, numbers_of(warning), end=end, taken_back=taken_back)


def numbers_of(warning: WarningDocument) -> Numbers:
    """The figures its sentence is made of."""
    return warning.evidence.numbers if warning.ended_at is None else warning.spans[-1].numbers


def statement(code: str, name: str, scope: str, numbers: Numbers, *, end: str | None, taken_back: bool) -> Sentence:
    """The sentence of whoever kept its figures; `end` is how it ended, None if it has not."""
    try:
        said = _SAID.get(code, _anything)(name, scope, numbers)
    except KeyError:
        # Another version of its rule gave other figures; a whole list must not fail for one warning.
        said = _anything(name, scope, numbers)
    if taken_back:
        return Sentence(f"Taken back: {said.en}", f"已撤回：{said.zh}")
    if end is not None:
        en, zh = _ENDED.get(end, ("Over.", "已结束。"))
        return Sentence(f"{said.en} {en}", f"{said.zh}{zh}")
    return said


_ENDED: Final = {
    "recovered": ("Back within bounds.", "已恢复正常。"),
    "ordered": ("He has ordered again.", "客户已重新下单。"),
    "limit_changed": ("The limit was changed.", "额度已调整。"),
    "rule_changed": ("The rule was changed.", "规则已调整。"),
}


def _credit_limit(name: str, currency: str, numbers: Numbers) -> Sentence:
    debt, (limit_en, limit_zh) = f"{numbers['debt']} {currency}", _limit(numbers["limit"], currency)
    en = f"{name} owes {debt}; {limit_en}."
    zh = f"{name}欠款{debt}，{limit_zh}。"
    if numbers["overdue_days"] != "0":
        overdue, days, on = f"{numbers['overdue']} {currency}", numbers["overdue_days"], numbers["overdue_on"]
        en += f" On {on} {overdue} was overdue, the oldest for {days} days."
        zh += f"截至{on}逾期{overdue}，最长{days}天。"
    return Sentence(en, zh)


def _limit(limit: str, currency: str) -> tuple[str, str]:
    if limit in ("none", "no_rate"):
        return "no limit was granted", "未授予信用额度"
    if limit == "unlimited":
        return "his limit is unlimited", "额度不限"
    return f"his limit is {limit} {currency}", f"信用额度为{limit} {currency}"


def _churn(name: str, _: str, numbers: Numbers) -> Sentence:
    # Not how long: that is true on the day of the verdict only, and read on another.
    last, allowed, gap = numbers["last_order_day"], numbers["allowed_days"], numbers["median_gap_days"]
    return Sentence(
        f"{name} has not ordered since {last}; he orders every {gap} days, and up to {allowed} are allowed.",
        f"{name}自{last}起没有新订单；通常每{gap}天下单一次，最长允许{allowed}天。",
    )


def _source_late(_: str, scope: str, numbers: Numbers) -> Sentence:
    source, kind = numbers.get("source", scope), numbers.get("kind", "")
    until = numbers.get("complete_until", "") or "never"
    return Sentence(
        f"Source {source} has promised nothing about {kind} documents since {until}; "
        "what rests on their absence is not judged.",
        f"数据源{source}的{kind}单据自{until}起未确认完整，依赖其缺失的预警暂停判断。",
    )


def _dead_letters(_: str, __: str, numbers: Numbers) -> Sentence:
    letters, oldest = numbers["open"], numbers["oldest"]
    return Sentence(
        f"Records that could not be applied: {letters}, the oldest since {oldest}; "
        "the absence of documents is not judged for whom they are about.",
        f"有{letters}条记录无法处理，最早自{oldest}起；相关客户暂不作缺失判断。",
    )


def _anything(name: str, scope: str, numbers: Numbers) -> Sentence:
    figures = ", ".join(f"{key} {value}" for key, value in numbers.items())
    about = f"{name} {scope}".strip()
    return Sentence(f"{about}: {figures}.", f"{about}：{figures}。")


_SAID: Final[dict[str, Callable[[str, str, Numbers], Sentence]]] = {
    "credit_limit": _credit_limit,
    "churn": _churn,
    "system_source_late": _source_late,
    "system_dead_letters": _dead_letters,
}
