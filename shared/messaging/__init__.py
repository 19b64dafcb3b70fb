"""Getting documents from one service to the others: bus, outbox, relay, consumer, held documents, dead letters."""
