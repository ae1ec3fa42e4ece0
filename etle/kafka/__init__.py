"""Between the roles: messages in topics. The seam is in `seams`; Kafka behind it in `kafka`, and in memory in `etle.testing`."""
