"""Groups of C4: connected components of the live links, and the root that names a group."""

from collections.abc import Iterable

from tests.protocol_model.snapshots import Snapshot

Groups = dict[str, tuple[str, ...]]
"""Each linked customer -> all members of his group, sorted. Who is not named is alone."""


def groups_of(links: Iterable[Snapshot]) -> Groups:
    found: Groups = {}
    for link in links:
        if link.live:
            members = {*found.get(link.sold, (link.sold,)), *found.get(link.bill, (link.bill,))}
            found.update(dict.fromkeys(sorted(members), tuple(sorted(members))))
    return found


def closure(groups: Groups, customers: Iterable[str]) -> set[str]:
    """The customers and everybody they are grouped with."""
    return {member for customer in customers for member in groups.get(customer, (customer,))}


def root_of(members: tuple[str, ...], links: Iterable[Snapshot]) -> str:
    """The member that nobody absorbs; the lowest id on a tie or a cycle."""
    absorbed = {link.sold for link in links if link.live}
    return min([member for member in members if member not in absorbed] or members)
