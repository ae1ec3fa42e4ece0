"""The Kafka client: protocols for the stages, the implementation on kafka-python, topics, security and dead letters."""
