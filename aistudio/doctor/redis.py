"""What is wrong with the Redis that counts runs."""

from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok
from aistudio.studio.errors import StudioError
from aistudio.studio.rate_limit import RateLimit


async def redis(case: Case) -> Finding | None:
    """Whether it answers, where one is named."""
    if case.settings.redis_url is None:
        return None
    limit = RateLimit(case.settings)
    try:
        await limit.ping()
    except StudioError:
        return failed("it does not answer", "Start it, or correct REDIS_URL; until then no run can start.")
    finally:
        await limit.close()
    return ok("it answers, so all backends count runs together")
