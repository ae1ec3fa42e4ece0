"""What an operator sees of a role that runs for weeks: its numbers, whether it is alive, and its log.

`metrics` holds the numbers, `health` the loops that must keep turning, `server` shows both over HTTP, `logs` forms the log. Nothing is
gathered here: the command forms its log on a machine without the Prometheus client too.
"""
