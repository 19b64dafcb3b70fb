"""What every implementation of a port has to keep: checks written against the port, run on each implementation."""
