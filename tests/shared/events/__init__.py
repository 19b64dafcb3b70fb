"""Tests of `shared/events`."""
