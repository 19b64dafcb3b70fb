"""Ports for processes that have to be told where to listen."""

import socket


def free_port() -> int:
    """A port nobody listens on now; whoever is told it should take it soon."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
