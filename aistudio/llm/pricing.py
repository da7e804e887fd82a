"""What well-known models cost. A provider's own cost always wins over this table."""

import re
from collections.abc import Mapping

# US dollars per million tokens, input and output: list prices as of 2025-11, by OpenRouter's names.
PRICES: dict[str, tuple[float, float]] = {
    "anthropic/claude-haiku-4.5": (1.00, 5.00),
    "anthropic/claude-sonnet-4": (3.00, 15.00),
    "anthropic/claude-sonnet-4.5": (3.00, 15.00),
    "deepseek/deepseek-chat": (0.27, 1.10),
    "google/gemini-2.0-flash": (0.10, 0.40),
    "google/gemini-2.5-flash": (0.30, 2.50),
    "google/gemini-2.5-flash-lite": (0.10, 0.40),
    "google/gemini-2.5-pro": (1.25, 10.00),
    "mistralai/mistral-large": (2.00, 6.00),
    "mistralai/mistral-medium-3": (0.40, 2.00),
    "mistralai/mistral-small-3.2-24b-instruct": (0.06, 0.18),
    "openai/gpt-4.1": (2.00, 8.00),
    "openai/gpt-4.1-mini": (0.40, 1.60),
    "openai/gpt-4.1-nano": (0.10, 0.40),
    "openai/gpt-4o": (2.50, 10.00),
    "openai/gpt-4o-mini": (0.15, 0.60),
    "openai/gpt-5": (1.25, 10.00),
    "openai/gpt-5-mini": (0.25, 2.00),
    "openai/gpt-5-nano": (0.05, 0.40),
    "openai/o3": (2.00, 8.00),
    "openai/o4-mini": (1.10, 4.40),
}

# Vendors' own endpoints leave the vendor out ("gpt-4o") and answer with a snapshot ("gpt-4o-2024-08-06").
BY_SHORT_NAME = {name.partition("/")[2]: price for name, price in PRICES.items()}
SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def cost(
    model: str,
    input_tokens: int,
    output_tokens: int,
    overrides: Mapping[str, tuple[float, float]],
) -> float | None:
    """US dollars for a call, or null when the model's price is not known.

    Args:
        model: as it was asked for, or as the endpoint names it.
        input_tokens: tokens of the prompt.
        output_tokens: tokens of the answer.
        overrides: prices that win over the table, in its form; names must match exactly.
    """
    general = SNAPSHOT.sub("", model)
    price = overrides.get(model) or PRICES.get(general) or BY_SHORT_NAME.get(general)
    if price is None:
        return None
    return (input_tokens * price[0] + output_tokens * price[1]) / 1_000_000
