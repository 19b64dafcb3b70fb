"""The Kafka bus beside the conformance suite: settings, security, topics, who gets which partitions."""
