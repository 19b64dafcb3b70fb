"""Where the documents of the credit service are kept, and how those of a group of customers are read."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from shared.database.unit_of_work import Connection
from shared.events import CreditLimit, Document, Invoice, Order, Payment
from shared.messaging.document_store import DocumentStore
from shared.messaging.projection import decode

documents = DocumentStore("credit")

_OF_PARTIES: Final = """
select id, kind, data from {side} where kind = any($1) and live and (party = any($2) or other_party = any($2))
"""


async def find_documents(parties: Collection[UUID], connection: Connection) -> list[tuple[UUID, Document]]:
    """Every live document that names one of the parties and says what is owed, with its id.

    Own documents are as they are now; orders as far as they have arrived.
    """
    own = (CreditLimit.kind, Invoice.kind, Payment.kind)
    rows = await connection.fetch(_OF_PARTIES.format(side="document"), own, list(parties))
    rows += await connection.fetch(_OF_PARTIES.format(side="held_document"), (Order.kind,), list(parties))
    return [(row["id"], decode(row["kind"], row["data"])) for row in rows]
