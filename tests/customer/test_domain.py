"""Registering, linking and changing customers, decided against what is held."""

import msgspec
import pytest

from services.customer import domain
from services.customer.domain import Book, Decision, Registration
from shared.errors import ForewarnError
from shared.events import Customer, CustomerLink
from tests.support import builders as build
from tests.support.builders import day, party


def sent(*names: str, company_name: str = "百川商贸", owner: str | None = None) -> Registration:
    return Registration(tuple(party(name) for name in names), company_name, owner)


def book(*held: Customer | CustomerLink) -> Book:
    """What is held of some customers and links; groups as the live links make them."""
    empty = Book({}, {}, {}, day(9))
    empty.note((document, "") for document in held if document.live)
    empty.links |= {(one.survivor.id, one.absorbed.id): one for one in held if isinstance(one, CustomerLink)}
    return empty


def unconfirmed(name: str, owner: str | None = None) -> Customer:
    return build.customer(name, confirmed=False, owner=owner)


def confirmed(name: str, owner: str | None = None) -> Customer:
    return build.customer(name, company_name="百川商贸", owner=owner)


def names(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(document.natural_key, reason) for document, reason in decisions]


def code_of(error: pytest.ExceptionInfo[ForewarnError]) -> str:
    return error.value.code


class TestRegister:
    def test_a_new_customer_is_confirmed_from_the_start(self) -> None:
        [(customer, reason)] = domain.register(sent("C1", owner="li"), book())
        expected = build.customer("C1", company_name="百川商贸", owner="li", registered_at=day(9))
        assert (customer, reason) == (expected, "registered")

    def test_one_whom_documents_have_named_is_confirmed_and_keeps_the_day_he_was_first_seen(self) -> None:
        [(customer, reason)] = domain.register(sent("C1"), book(unconfirmed("C1")))
        assert (customer, reason) == (confirmed("C1"), "confirmed")

    def test_the_same_again_is_the_snapshot_held(self) -> None:
        held = confirmed("C1", owner="li")
        assert domain.register(sent("C1", owner="li"), book(held))[0][0] == held

    def test_who_says_nothing_of_the_owner_does_not_contradict(self) -> None:
        held = confirmed("C1", owner="li")
        assert domain.register(sent("C1"), book(held))[0][0] == held

    @pytest.mark.parametrize(
        ("held", "again"),
        [
            (confirmed("C1"), sent("C1", company_name="another")),
            (confirmed("C1", owner="li"), sent("C1", owner="wang")),
            (confirmed("C1"), sent("C1", owner="wang")),
            (unconfirmed("C1", owner="li"), sent("C1", owner="wang")),
        ],
        ids=["name", "owner", "first-owner", "owner-of-an-unconfirmed"],
    )
    def test_other_particulars_are_a_conflict(self, held: Customer, again: Registration) -> None:
        """INVARIANT: a registration sent again never takes back what people have changed since, the owner above all."""
        with pytest.raises(ForewarnError) as error:
            domain.register(again, book(held))
        assert code_of(error) == "customer_exists"

    def test_further_names_become_links_of_the_first(self) -> None:
        decisions = domain.register(sent("C1", "C2", "C3"), book())
        assert names(decisions) == [
            ("erp/C1", "registered"),
            ("erp/C1<erp/C2", "merged"),
            ("erp/C2", "registered"),
            ("erp/C1<erp/C3", "merged"),
            ("erp/C3", "registered"),
        ]

    def test_a_further_name_stays_unconfirmed_for_when_it_is_unlinked(self) -> None:
        decisions = domain.register(sent("C1", "C2"), book())
        assert [document.confirmed for document, _ in decisions if isinstance(document, Customer)] == [True, False]

    @pytest.mark.parametrize(
        "links",
        [
            [build.link("C1", "C2")],
            [build.link("C2", "C1")],
            [build.link("C1", "C3"), build.link("C3", "C4"), build.link("C4", "C2")],
        ],
        ids=["linked", "the-other-way-round", "through-others"],
    )
    def test_names_that_are_one_customer_already_need_no_link(self, links: list[CustomerLink]) -> None:
        held = book(confirmed("C1"), unconfirmed("C2"), *links)
        assert names(domain.register(sent("C1", "C2"), held)) == [("erp/C1", "confirmed")]

    def test_a_repeated_name_is_one(self) -> None:
        assert len(domain.register(sent("C1", "C1"), book())) == 1

    @pytest.mark.parametrize(
        "held",
        [
            (confirmed("C2"),),
            (unconfirmed("C2"), confirmed("C3"), build.link("C3", "C2")),
            (unconfirmed("C2"), unconfirmed("C3"), build.link("C2", "C3")),
        ],
        ids=["a-customer-of-his-own", "a-name-of-another", "one-with-another-name"],
    )
    def test_a_further_name_of_somebody_else_is_a_conflict(self, held: tuple[Customer | CustomerLink, ...]) -> None:
        """INVARIANT: a registration never merges two customers; who may link them says so himself."""
        with pytest.raises(ForewarnError) as error:
            domain.register(sent("C1", "C2"), book(*held))
        assert code_of(error) == "external_id_taken"

    def test_what_was_unlinked_by_hand_is_not_linked_by_a_registration_sent_again(self) -> None:
        """INVARIANT: else every nightly transfer would undo what a person decided."""
        undone = book(confirmed("C1"), unconfirmed("C2"), build.link("C1", "C2", live=False))
        with pytest.raises(ForewarnError) as error:
            domain.register(sent("C1", "C2"), undone)
        assert code_of(error) == "link_undone"

    def test_what_is_refused_leaves_nothing_behind(self) -> None:
        held = book(confirmed("C3"))
        with pytest.raises(ForewarnError):
            domain.register(sent("C1", "C2", "C3"), held)
        assert set(held.customers) == {party("C3").id}
        assert held.links == {}

    def test_later_rows_see_what_earlier_ones_decided(self) -> None:
        held = book()
        domain.register(sent("C1", "C2"), held)
        with pytest.raises(ForewarnError) as error:
            domain.register(sent("C3", "C2"), held)
        assert code_of(error) == "external_id_taken"


class TestClaim:
    def test_a_free_name_is_linked(self) -> None:
        held = book(confirmed("C1"), unconfirmed("C2"))
        assert names(domain.claim(party("C1"), party("C2"), held)) == [("erp/C1<erp/C2", "merged")]

    def test_a_name_he_has_needs_nothing(self) -> None:
        held = book(confirmed("C1"), unconfirmed("C2"), build.link("C1", "C2"))
        assert domain.claim(party("C1"), party("C2"), held) == []

    def test_a_name_of_another_is_a_conflict(self) -> None:
        with pytest.raises(ForewarnError) as error:
            domain.claim(party("C1"), party("C2"), book(confirmed("C1"), confirmed("C2")))
        assert code_of(error) == "external_id_taken"

    def test_his_own_name_is_refused(self) -> None:
        with pytest.raises(ForewarnError) as error:
            domain.claim(party("C1"), party("C1"), book(confirmed("C1")))
        assert code_of(error) == "link_to_itself"


class TestLink:
    def test_two_customers_become_one(self) -> None:
        decisions = domain.link(party("C1"), party("C2"), book(confirmed("C1"), confirmed("C2")))
        assert decisions == [(build.link("C1", "C2", at=9), "merged")]

    def test_whoever_is_unknown_gets_a_row(self) -> None:
        decisions = domain.link(party("C1"), party("C2"), book())
        assert [key for key, _ in names(decisions)] == ["erp/C1<erp/C2", "erp/C1", "erp/C2"]

    def test_a_live_link_stays_as_it_is(self) -> None:
        held = build.link("C1", "C2")
        decisions = domain.link(party("C1"), party("C2"), book(confirmed("C1"), confirmed("C2"), held))
        assert decisions == [(held, "merged")]

    def test_an_undone_link_is_made_again(self) -> None:
        held = book(confirmed("C1"), confirmed("C2"), build.link("C1", "C2", live=False))
        assert domain.link(party("C1"), party("C2"), held)[0][0] == build.link("C1", "C2", at=9)

    def test_the_other_way_round_is_another_link(self) -> None:
        held = book(confirmed("C1"), confirmed("C2"), build.link("C1", "C2"))
        assert names(domain.link(party("C2"), party("C1"), held)) == [("erp/C2<erp/C1", "merged")]

    def test_nobody_is_linked_with_himself(self) -> None:
        with pytest.raises(ForewarnError) as error:
            domain.link(party("C1"), party("C1"), book(confirmed("C1")))
        assert code_of(error) == "link_to_itself"


class TestUnlink:
    def test_the_link_counts_as_if_it_had_never_been(self) -> None:
        once, reason = domain.unlink(build.link("C1", "C2"))
        assert (once.live, reason) == (False, "unmerged")
        assert domain.unlink(once)[0] == once


class TestChange:
    @pytest.mark.parametrize("may_assign", [True, False])
    def test_a_name_is_anybodys_to_change(self, may_assign: bool) -> None:
        wanted = msgspec.structs.replace(confirmed("C1"), company_name="新名")
        assert domain.change(confirmed("C1"), wanted, may_assign=may_assign) == (wanted, "updated")

    def test_another_owner_is_told_apart(self) -> None:
        wanted = confirmed("C1", owner="wang")
        assert domain.change(confirmed("C1", owner="li"), wanted, may_assign=True) == (wanted, "owner_changed")

    def test_another_owner_needs_somebody_who_may(self) -> None:
        with pytest.raises(ForewarnError) as error:
            domain.change(confirmed("C1"), confirmed("C1", owner="wang"), may_assign=False)
        assert code_of(error) == "role_required"
