"""The tables of the credit service: the protocol's, as producer of limits, invoices and payments and as consumer."""

from sqlalchemy import MetaData

from shared.messaging.customers import customer_tables
from shared.messaging.tables import consumer_tables, producer_tables

METADATA = MetaData()

producer_tables(METADATA)
consumer_tables(METADATA)
customer_tables(METADATA)
