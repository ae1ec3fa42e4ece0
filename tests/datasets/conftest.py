import pytest
from decided_cases import Office


@pytest.fixture
def decided_cases() -> Office:
    """Twelve confirmed cases of twelve vehicles."""
    office = Office()
    for number in range(1, 13):
        office.add(number, read=f"B{1000 + number}AB", decided=f"B{1000 + number}AB")
    return office
