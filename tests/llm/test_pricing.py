"""The price table."""

import pytest

from aistudio.llm import pricing


@pytest.mark.parametrize("name", ["openai/gpt-4o", "gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"])
def test_model_is_known_by_the_names_endpoints_use(name: str) -> None:
    assert pricing.cost(name, 1_000_000, 100_000, {}) == pytest.approx(2.50 + 1.00)


def test_unknown_model_has_no_price() -> None:
    assert pricing.cost("openai/gpt-unheard-of", 10, 10, {}) is None


def test_override_wins_and_may_be_free() -> None:
    assert pricing.cost("gpt-4o", 10, 10, {"gpt-4o": (0.0, 0.0)}) == 0.0
    assert pricing.cost("llama", 2_000_000, 0, {"llama": (0.5, 1.0)}) == 1.0


def test_short_names_are_unambiguous() -> None:
    assert len(pricing.BY_SHORT_NAME) == len(pricing.PRICES)
