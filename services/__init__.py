"""Real servers on loopback for tests, benchmarks and developers: Kafka, PostgreSQL, an S3 server, an RTSP camera.

    with running_kafka() as kafka, running_postgres() as postgres:
        kafka.address, postgres.address
        kafka.kill()   # SIGKILL, like a power failure
        kafka.start()  # with the same port and data

They need programs that pip does not install; `ServiceMissing` names them and how to install them. `scripts/services` is the command line.
"""

from services.kafka import kafka_server, running_kafka
from services.postgres import postgres_server, running_postgres
from services.process import ServiceError, ServiceMissing, ServiceProcess, free_port
from services.rtsp import rtsp_server, running_rtsp
from services.s3 import S3Server, running_s3, s3_server

__all__ = [
    "S3Server",
    "ServiceError",
    "ServiceMissing",
    "ServiceProcess",
    "free_port",
    "kafka_server",
    "postgres_server",
    "rtsp_server",
    "running_kafka",
    "running_postgres",
    "running_rtsp",
    "running_s3",
    "s3_server",
]
