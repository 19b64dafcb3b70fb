"""Tests of what all HTTP routes share."""
