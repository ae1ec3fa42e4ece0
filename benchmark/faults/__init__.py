"""Nothing is lost and nothing doubled, whatever dies: the distributed profile on a real Kafka and a real PostgreSQL, disturbed at random.

    python -m benchmark.faults --seed 1 --faults 200 --json faults.json

The demo cameras' footage is streamed over and over while ingest, detect, write, Kafka and PostgreSQL are killed, stopped and frozen. The
violations in the database are then held against those of an undisturbed run over the same pictures, by id.
"""
