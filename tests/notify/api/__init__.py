"""Tests of the routes of notify."""
