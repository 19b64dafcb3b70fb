"""Tests of the simulated distributor."""
