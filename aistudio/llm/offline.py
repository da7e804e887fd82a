"""The offline model: an in-process HTTP transport that speaks the real chat completions protocol."""

import httpx2

OFFLINE_MODEL = "offline/simulated"


class OfflineTransport(httpx2.AsyncBaseTransport):
    """Answers `POST …/chat/completions`; `pace` 1 is lifelike, 0 is at once."""

    def __init__(self, *, pace: float = 1.0) -> None:
        self._pace = pace
