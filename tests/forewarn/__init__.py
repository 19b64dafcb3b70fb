"""Tests of the command and its supervisor."""
