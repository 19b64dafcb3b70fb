"""The protocol model's mutations on the real code: a seeded story on a real database and bus, one safeguard removed."""
