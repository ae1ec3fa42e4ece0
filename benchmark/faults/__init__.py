"""Fault injection: the distributed profile on a real Kafka and a real PostgreSQL loses and duplicates nothing under random faults.

    python -m benchmark.faults --seed 1 --faults 200 --json faults.json

The demo footage is streamed repeatedly while ingest, detect, write, Kafka and PostgreSQL are killed, stopped and frozen. The violations in
the database are then compared by id with those of an undisturbed run on the same pictures.
"""
