"""What well-known models cost. A provider's own cost always wins over this table."""

from collections.abc import Mapping

# US dollars per million tokens, input and output; list prices as of 2026-01.
PRICES: dict[str, tuple[float, float]] = {
    "mistralai/mistral-small-3.2-24b-instruct": (0.06, 0.18),
}


def cost(
    model: str,
    input_tokens: int,
    output_tokens: int,
    overrides: Mapping[str, tuple[float, float]],
) -> float | None:
    """US dollars for a call, or null when the model's price is not known.

    Args:
        model: as the endpoint names it; a vendor prefix ("openai/") may be there or not.
        input_tokens: tokens of the prompt.
        output_tokens: tokens of the answer.
        overrides: prices that win over the table, in its form.
    """
    price = overrides.get(model) or PRICES.get(model)
    if price is None:
        return None
    return (input_tokens * price[0] + output_tokens * price[1]) / 1_000_000
