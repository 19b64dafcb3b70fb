"""The tables of the orders service: those of the protocol, as producer of orders and consumer of customers."""

from sqlalchemy import MetaData

from shared.messaging.customers import customer_tables
from shared.messaging.tables import consumer_tables, producer_tables

METADATA = MetaData()

producer_tables(METADATA)
consumer_tables(METADATA)
customer_tables(METADATA)
