"""What is wrong with Temporal: the server, our namespace, and who works there."""

from datetime import UTC, datetime

from temporalio.service import RPCError

from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok, warning
from aistudio.embedded.processes import EmbeddedError
from aistudio.embedded.temporal import installed
from aistudio.engine.client import EngineUnavailable, open_engine

UNANSWERED = (
    "Start it, or check TEMPORAL_ADDRESS and, where they are set, TEMPORAL_API_KEY and the TEMPORAL_TLS "
    "variables."
)
# A worker at rest asks once a minute; the rest is for clocks that differ.
WORKER_SECONDS = 90


async def server(case: Case) -> Finding:
    """Whether Temporal answers."""
    if case.settings.temporal_address is None:
        return _embedded(case)
    try:
        engine = await open_engine(case.settings)
    except (RuntimeError, ValueError, OSError) as error:
        text = f"Temporal's variables cannot be used ({type(error).__name__})"
        return failed(text, "Check TEMPORAL_ADDRESS (host:port) and every other TEMPORAL_ variable.")
    if not await engine.healthy():
        return failed(f"{engine.address} does not answer", UNANSWERED)
    return ok(f"{engine.address} answers")


async def namespace(case: Case) -> Finding | None:
    """Whether our namespace exists."""
    if case.settings.temporal_address is None:
        return None
    engine = await open_engine(case.settings)
    try:
        exists = await engine.namespace_exists()
    except (EngineUnavailable, RPCError) as error:
        return _refused(error)
    if not exists:
        remedy = (
            f"Create it with `temporal operator namespace create -n {engine.namespace}`, "
            "or set TEMPORAL_NAMESPACE to one that exists."
        )
        return failed(f"{engine.namespace} does not exist", remedy)
    return ok(engine.namespace)


async def worker(case: Case) -> Finding | None:
    """Whether a worker asks for the runs' work."""
    if case.settings.temporal_address is None:
        return None
    engine = await open_engine(case.settings)
    try:
        asked_at = await engine.last_poll()
    except (EngineUnavailable, RPCError) as error:
        return _refused(error)
    if case.settings.aistudio_run_worker:
        remedy = "It runs inside the web process: start that, or look at what it logs."
    else:
        remedy = "Start one with `aistudio worker`, or look at what it logs."
    if asked_at is None:
        return failed("none asks for work, so runs wait", remedy)
    silence = (datetime.now(UTC) - asked_at).total_seconds()
    if silence > WORKER_SECONDS:
        return warning(f"none has asked for work for {silence:.0f} seconds", remedy)
    return ok("asks for work")


def _embedded(case: Case) -> Finding:
    try:
        installed()
    except EmbeddedError as error:
        return failed(str(error))
    return ok(case.embedded)


def _refused(error: EngineUnavailable | RPCError) -> Finding:
    text = str(error) if isinstance(error, EngineUnavailable) else f"Temporal says: {error.message}"
    return failed(text, "Check TEMPORAL_NAMESPACE and, where it is set, TEMPORAL_API_KEY.")
