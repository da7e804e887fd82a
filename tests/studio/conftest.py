"""A studio on real servers."""

from collections.abc import AsyncIterator

import pytest

from aistudio.studio.studio import Studio
from tests.studio.serving import studio_on


@pytest.fixture
async def studio(database_url: str, temporal_address: str) -> AsyncIterator[Studio]:
    """A studio on a database of its own."""
    async with studio_on(database_url, temporal_address) as opened:
        yield opened
