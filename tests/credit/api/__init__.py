"""Tests of the routes of the credit service, on a real database."""
