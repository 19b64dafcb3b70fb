"""Alerting: the warnings, their rules, states and handling."""
