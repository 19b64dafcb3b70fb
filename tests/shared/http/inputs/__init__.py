"""Tests of input types and of reading bodies."""
