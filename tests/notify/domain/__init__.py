"""Tests of what notify decides."""
