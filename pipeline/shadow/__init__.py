"""Shadow mode: second models run on a share of the live traffic and are compared with the current ones. Nothing else depends on them."""
