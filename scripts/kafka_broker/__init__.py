"""Apache Kafka on this machine for tests and for playing: one or three KRaft brokers, standard library only."""
