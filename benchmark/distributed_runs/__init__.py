"""Distributed runs on a real Kafka and a real PostgreSQL: throughput, live lag meanwhile, and the comparison with what live found."""
