"""The protocol model: a seeded simulation of the rules of protocol.md section 1, and what each safeguard is worth."""
