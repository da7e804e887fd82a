"""What is wrong with the Redis that counts runs."""

from urllib.parse import urlsplit

from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok
from aistudio.studio.errors import StudioError
from aistudio.studio.rate_limit import RateLimit


async def redis(case: Case) -> Finding | None:
    """Whether it answers, where one is named."""
    if case.settings.redis_url is None:
        return None
    # Without what may stand before it: a password.
    place = urlsplit(case.settings.redis_url.get_secret_value()).netloc.rpartition("@")[2]
    limit = RateLimit(case.settings)
    try:
        await limit.ping()
    except StudioError:
        remedy = "Start it, or correct REDIS_URL. Until then no run can start."
        return failed(f"Redis at {place} does not answer", remedy)
    finally:
        await limit.close()
    return ok(f"Redis at {place} answers, so all backends count runs together")
