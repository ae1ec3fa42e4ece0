"""The review application as a process of its own, with two bare routes beside it: an indexed SELECT and an INSERT by the same server.

python -m benchmark.review.server DATABASE EVIDENCE PORT
"""

import sys
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI

from etle.clock import SystemClock
from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.users import Users
from review.app import create_app
from review.serve import serve


def add_bare_routes(app: FastAPI, database: Database) -> None:
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS benchmark_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, violation uuid)")

    @app.get("/bare/select/{case_id}")
    def select(case_id: UUID) -> str:
        with database.transaction() as cursor:
            cursor.execute("SELECT document::text AS document FROM violations WHERE id = %(id)s", {"id": str(case_id)})
            return str(cursor.fetchone().document)

    @app.get("/bare/insert/{case_id}")
    def insert(case_id: UUID) -> str:
        with database.transaction() as cursor:
            cursor.execute("INSERT INTO benchmark_rows (violation) VALUES (%(id)s)", {"id": str(case_id)})
        return ""


def main(database_url: str, evidence: str, port: str) -> None:
    database, clock = Database(database_url), SystemClock()
    app = create_app(
        cases=PostgresCases(database, clock),
        evidence=FolderEvidence(Path(evidence)),
        users=Users(database),
        campaigns=PostgresCampaigns(database),
        law=load_law(configs_folder() / "law"),
        clock=clock,
    )
    add_bare_routes(app, database)
    serve(app, "127.0.0.1", int(port), started=lambda: print("started", flush=True))  # the parent process waits for it
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
