"""What the credit service decides: what may be done to a document, which limit counts, and how a customer stands."""
