"""Warnings as the documents this service publishes."""

from typing import Final

from shared.messaging.document_store import DocumentStore

documents: Final = DocumentStore("alerting")
