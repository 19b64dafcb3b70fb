"""Tests of what the credit service decides."""
