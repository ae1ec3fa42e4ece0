"""Throughput of frames from an edge device through Kafka to a detect worker, against the bare client and Kafka's own benchmark."""
