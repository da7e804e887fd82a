"""What is wrong with the model endpoint."""

import httpx2

from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok, warning
from aistudio.llm.client import ModelClient, ModelError


async def model(case: Case) -> Finding:
    """Whether the endpoint takes our key; without a key, that answers are simulated."""
    try:
        client = ModelClient(case.settings)
    except httpx2.InvalidURL:
        return failed("OPENAI_BASE_URL is no URL", "Set it to the endpoint's, as https://host/v1.")
    try:
        if client.simulated:
            remedy = "For a real one set OPENROUTER_API_KEY, or OPENAI_API_KEY and OPENAI_BASE_URL."
            return ok("no key is set, so the offline model answers: every answer is simulated", remedy)
        accepted = await client.key_accepted()
    except ModelError as error:
        return failed(error.message)
    finally:
        await client.aclose()
    variable = client.key_variable
    if accepted is None:
        text = f"{client.host} answers, and does not say whether it accepts the key in {variable}"
        return warning(text, "Check that the base URL is right, or see with `make smoke-live`.")
    if not accepted:
        text = f"The key in {variable} is not accepted by {client.host}"
        return failed(text, f"Set {variable} to a valid key, and restart what uses it.")
    return ok(f"{client.host} accepts the key in {variable}; agents use {client.default_model}")
