"""Where the documents of the orders service are kept."""

from shared.messaging.document_store import DocumentStore

documents = DocumentStore("orders")
