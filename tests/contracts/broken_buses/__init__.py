"""Buses that each break one promise, to prove that the conformance checks see it. All wrap the embedded bus."""
