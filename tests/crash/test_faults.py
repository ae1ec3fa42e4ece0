"""A short trial of `benchmark.faults`: faults in all roles, a real Kafka and a real PostgreSQL."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="needs the `detect` extra")
pytest.importorskip("psycopg2", reason="needs the `store` extra")

from benchmark.faults.__main__ import table
from benchmark.faults.trial import passed, run
from etle.config.site import DetectionSettings
from etle.errors import WeightsMissing
from models.weights.locate import weight
from pipeline.assembly import needed_weights
from services import ServiceMissing

SEED = 20


@pytest.mark.slow
def test_cases_after_faults_are_those_of_an_undisturbed_run_and_every_digest_verifies(tmp_path: Path):
    try:
        for name in needed_weights(DetectionSettings()):
            weight(name)
        result = run(tmp_path, faults=10, seed=SEED, fps=3.0, detect_workers=2, verbose=False)
    except (WeightsMissing, ServiceMissing) as error:
        pytest.skip(str(error))
    assert passed(result), table(result)
    assert {name.split()[0] for name in result.faults} == {"ingest", "detect-0", "detect-1", "write", "kafka", "postgres"}
