"""Orders and returns, in all their states, as ERP systems push them."""
