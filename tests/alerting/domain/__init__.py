"""Tests of `alerting/domain`."""
