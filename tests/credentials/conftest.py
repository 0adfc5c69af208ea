"""One server with the limits it ships with, for the tests that only ask."""

from collections.abc import Iterator

import pytest

from tests.credentials.wire import Running, serving


@pytest.fixture(scope="session")
def shipped() -> Iterator[Running]:
    """The application under the server, as shipped."""
    with serving() as running:
        yield running
