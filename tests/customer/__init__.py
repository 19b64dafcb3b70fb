"""Tests of the customer service."""
