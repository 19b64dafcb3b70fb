"""Limits, invoices and payments: what customers owe, and how much they may."""
