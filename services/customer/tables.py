"""The tables of the customer service: those of the protocol, and customers and groups as every service keeps them."""

from sqlalchemy import Index, MetaData

from shared.messaging.customers import customer_tables
from shared.messaging.tables import consumer_tables, producer_tables

METADATA = MetaData()

producer_tables(METADATA)
consumer_tables(METADATA)
customer_tables(METADATA)

_document = METADATA.tables["document"].c

Index("document_newest", _document.kind, _document.at, _document.id)
"""Lists of customers show those registered last first."""
