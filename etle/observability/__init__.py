"""Metrics, health and logging of a role.

`metrics` defines the metrics, `health` tracks whether the loops of the process make progress, `server` serves both over HTTP, and `logs`
configures logging. Nothing is imported here: logging must also work without the Prometheus client.
"""
