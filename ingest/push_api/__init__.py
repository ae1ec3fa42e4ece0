"""HTTP API to which vendors' devices push frames and events; their frames reach Kafka in the same format as those of our own gateways."""
