"""Tests of hosts, jobs and tasks."""
