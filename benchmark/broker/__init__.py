"""How fast frames go from a box through Kafka to a detect worker, beside the bare client and Kafka's own test on the same broker."""
