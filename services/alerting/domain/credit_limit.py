"""Credit limit: debt above the limit (at once), or money overdue for too long (absence). One scope per currency."""

from collections.abc import Collection, Iterator
from datetime import date
from itertools import islice
from typing import ClassVar, Final
from uuid import UUID

from msgspec import Struct, field

from services.alerting.domain.episode import Level, Proof
from services.alerting.domain.facts import (
    Fact,
    InvoiceCancelled,
    InvoiceIssued,
    LimitEnded,
    LimitSet,
    OrderDay,
    OrderOpened,
    PaymentReceived,
    PaymentReversed,
    RuleVersion,
)
from services.alerting.domain.ledger import Ledger
from services.alerting.domain.limits import Decision, Limits
from services.alerting.domain.parameters import CreditLimitParameters
from shared.events.alerting import DocumentRef, Evidence
from shared.events.receivables import DEFAULT_TERMS
from shared.money import to_decimal

KEPT_DOCUMENTS: Final = 20

WARNING: Final = 1
CRITICAL: Final = 2


class CreditState(Struct, array_like=True):
    """All currencies of one group."""

    limits: Limits
    parameters: CreditLimitParameters = CreditLimitParameters()
    version: int = 0
    """0 = no version is in force yet, so nothing is judged."""
    ledgers: dict[str, Ledger] = field(default_factory=dict)


class CreditLimit:
    """Debt > limit -> warning, >= 120 % -> critical; a tier is left 5 points of the limit now in force below its line.

    A limit of `none`, no decision, or only one in another currency: any debt is a breach, left at debt <= 0. Second
    condition: more than the tolerance is more than 5 (warning) or 30 (critical) days overdue. The higher tier counts.
    """

    code: ClassVar[str] = "credit_limit"
    build: ClassVar[int] = 1
    reads: ClassVar[frozenset[type]] = frozenset(
        {
            RuleVersion,
            LimitSet,
            LimitEnded,
            InvoiceIssued,
            InvoiceCancelled,
            PaymentReceived,
            PaymentReversed,
            OrderOpened,
        }
    )
    needs: ClassVar[frozenset[str]] = frozenset({"payment"})
    state: ClassVar[type[CreditState]] = CreditState
    end_reason: ClassVar[str] = "recovered"

    def start(self, root: UUID) -> CreditState:
        return CreditState(Limits(root))

    def apply(self, state: CreditState, fact: Fact) -> Collection[str]:
        body = fact.body
        if isinstance(body, RuleVersion):
            return self._change_rule(state, body, fact.day)
        if isinstance(body, OrderDay):
            return ()
        ledger = self._ledger(state, body.currency, fact.day)
        lines = _lines(state)
        match body:
            case LimitSet() | LimitEnded():
                state.limits.apply(fact, body)
            case InvoiceIssued():
                terms = DEFAULT_TERMS
                ledger.claim(fact.key, body.amount, body.due, lines)
                ledger.book.bill(
                    fact.key, body.orders, body.amount, fact.day, terms.order_horizon_days, terms.patience_days
                )
            case PaymentReversed():
                ledger.claim(fact.key, body.amount, fact.day, lines)
            case PaymentReceived():
                ledger.money(fact.key, body.amount, body.names, body.seen, lines)
            case InvoiceCancelled():
                ledger.money(fact.key, body.amount, body.names, True, lines)
            case OrderOpened():
                ledger.book.place(fact.key, body.amount, fact.day, DEFAULT_TERMS.order_horizon_days)
        return (body.currency,)

    def next_due(self, state: CreditState) -> int | None:
        lines = _lines(state)
        days = [day for ledger in state.ledgers.values() if (day := ledger.next_due(lines)) is not None]
        return min(days, default=None)

    def advance(self, state: CreditState, day: int) -> Collection[str]:
        lines = _lines(state)
        scopes = [currency for currency, ledger in state.ledgers.items() if ledger.next_due(lines) == day]
        for currency in scopes:
            state.ledgers[currency].begin(day, lines)
        return scopes

    def present(self, state: CreditState, scope: str, held: Level) -> Level:
        decision, debt = state.limits.of(scope), state.ledgers[scope].debt
        if not state.version or debt <= 0 or (decision is not None and decision.limit == "unlimited"):
            return 0
        if decision is None or decision.limit == "none":
            return WARNING
        limit, points = decision.amount, state.parameters.hysteresis_points
        warning, critical = _percents(state.parameters)
        if 100 * debt >= critical * limit and debt > limit:
            return CRITICAL
        if held >= CRITICAL and 100 * debt >= (critical - points) * limit:
            return CRITICAL
        if 100 * debt > warning * limit or (held >= WARNING and 100 * debt >= (warning - points) * limit):
            return WARNING
        return 0

    def absent(self, state: CreditState, scope: str) -> Level:
        if not state.version:
            return 0
        tolerance = state.parameters.overdue_tolerance
        warning, critical = state.ledgers[scope].late
        return CRITICAL if critical > tolerance else WARNING if warning > tolerance else 0

    def waits(self, state: CreditState, scope: str, settled: int | None) -> int | None:
        ledger = state.ledgers[scope]
        first = max(settled or 0, min(ledger.by_due, default=ledger.day))
        return first if first < ledger.day else None

    def prove(self, state: CreditState, scope: str, level: Level, settled: int | None) -> Proof:
        ledger, decision = state.ledgers[scope], state.limits.of(scope)
        today = 0 if settled is None else min(ledger.day, settled)
        numbers = self._numbers(state, scope, ledger, decision, today)
        evidence = Evidence(
            numbers=numbers,
            formula=_formula(state.parameters, numbers["limit"]),
            documents=tuple(islice(_documents(ledger, decision, scope), KEPT_DOCUMENTS)),
            document_count=_count(ledger) + (decision is not None),
            clears=self._clears(state, scope, ledger, decision, today) if level else {},
        )
        return Proof(state.version, evidence)

    def _change_rule(self, state: CreditState, version: RuleVersion, day: int) -> Collection[str]:
        state.parameters, state.version = CreditLimitParameters(**version.parameters), version.version
        for ledger in state.ledgers.values():
            ledger.day = day
            ledger.recount(_lines(state))
        return list(state.ledgers)

    @staticmethod
    def _ledger(state: CreditState, currency: str, day: int) -> Ledger:
        ledger = state.ledgers.get(currency)
        if ledger is None:
            ledger = state.ledgers[currency] = Ledger(late=[0, 0])
        ledger.day = day
        return ledger

    @staticmethod
    def _numbers(
        state: CreditState, scope: str, ledger: Ledger, decision: Decision | None, today: int
    ) -> dict[str, str]:
        late = [due for due in ledger.by_due if due < today]
        numbers = {
            "debt": to_decimal(ledger.debt, scope),
            "limit": _limit_text(state, scope, decision),
            "exposure": to_decimal(ledger.exposure(), scope),
            "open": to_decimal(ledger.owed, scope),
            "unapplied": to_decimal(ledger.free + ledger.kept, scope),
            "overdue": to_decimal(ledger.overdue(today, 0), scope),
            "overdue_days": str(today - min(late) if late else 0),
        }
        if late:
            # The days go on, the verdict does not: without its day nobody could compare the figure with credit's.
            numbers["overdue_on"] = date.fromordinal(today).isoformat()
        if ledger.kept:
            numbers["reserved_invoice_unknown"] = to_decimal(ledger.kept, scope)
        return numbers

    @staticmethod
    def _clears(
        state: CreditState, scope: str, ledger: Ledger, decision: Decision | None, today: int
    ) -> dict[str, str]:
        parameters, clears = state.parameters, {}
        if decision is None or decision.limit != "unlimited":
            limit = decision.amount if decision is not None and decision.limit == "amount" else 0
            warning, _ = _percents(parameters)
            target = max(0, ((warning - parameters.hysteresis_points) * limit - 1) // 100)
            if ledger.debt > target:
                clears["pay"] = to_decimal(ledger.debt - target, scope)
        late = [key for key, (_, due) in ledger.claims.items() if today - due > parameters.overdue_warning_days]
        if late:
            clears["pay_overdue"] = to_decimal(sum(ledger.claims[key][0] for key in late), scope)
            clears["overdue_documents"] = ", ".join(late[:KEPT_DOCUMENTS])
        return clears


def _lines(state: CreditState) -> tuple[int, int]:
    return state.parameters.overdue_warning_days, state.parameters.overdue_critical_days


def _percents(parameters: CreditLimitParameters) -> tuple[int, int]:
    """The lines of both tiers; debt above the limit is never below `warning`, whatever the version says."""
    return min(100, parameters.warning_percent), parameters.critical_percent


def _limit_text(state: CreditState, scope: str, decision: Decision | None) -> str:
    if decision is None:
        return "no_rate" if state.limits.elsewhere(scope) else "none"
    return to_decimal(decision.amount, scope) if decision.limit == "amount" else decision.limit


def _formula(parameters: CreditLimitParameters, limit: str) -> str:
    warning, critical = _percents(parameters)
    late = f"overdue by more than {parameters.overdue_warning_days} ({parameters.overdue_critical_days}) days"
    if limit == "unlimited":
        return late
    if limit in ("none", "no_rate"):
        return f"no limit granted: debt > 0, or {late}"
    return f"debt > {warning}% of limit (>= {critical}% critical), or {late}"


def _documents(ledger: Ledger, decision: Decision | None, currency: str) -> Iterator[DocumentRef]:
    """Everything the debt is the sum of, latest claims first, each with what has been paid of it."""
    if decision is not None:
        yield DocumentRef("credit_limit", decision.key)
    for key, (left, _) in reversed(ledger.claims.items()):
        parts = ledger.paid.get(key, ())
        yield _claim(key, left + sum(part.amount for part in parts), currency)
        yield from (_money(part.money, part.amount, currency) for part in reversed(parts) if part.money)
    for kept in ledger.reserved.values():
        yield from (_money(one.payment, one.amount, currency) for one in kept)
    yield from (_money(part.money, part.amount, currency) for part in reversed(ledger.left) if part.money)


def _claim(key: str, amount: int, currency: str) -> DocumentRef:
    kind = "payment" if key.startswith("rev:") else "invoice"
    return DocumentRef(kind, key.removeprefix("rev:"), to_decimal(amount, currency))


def _money(key: str, amount: int, currency: str) -> DocumentRef:
    kind = "invoice" if key.startswith("cancel:") else "payment"
    return DocumentRef(kind, key.removeprefix("cancel:"), to_decimal(-amount, currency))


def _count(ledger: Ledger) -> int:
    groups = (ledger.claims, ledger.left, *ledger.paid.values(), *ledger.reserved.values())
    return sum(map(len, groups))
