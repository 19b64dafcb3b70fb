"""Tests of the gateway, on real sockets before stand-ins of the services."""
