"""Limits, invoices and payments: who may owe how much, who owes what, and which documents say so."""
