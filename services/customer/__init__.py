"""Customers: who they are, who they are one with, and who is in charge of them."""
