"""Which of the offered labels fits a text best."""

import re
from collections import Counter
from collections.abc import Sequence

from aistudio.llm.simulation import vocabulary
from aistudio.llm.simulation.offers import Offer
from aistudio.llm.simulation.reading import Reading, content_stems, stems

# What labels are called that take whatever fits nowhere else, the most general first.
CATCH_ALL = (
    "other", "others", "general", "unknown", "misc", "miscellaneous", "none", "unclear", "else",
    "neutral", "mixed", "unrelated", "off-topic", "uncategorized", "not sure", "maybe",
    "general inquiry", "everything", "medium", "normal", "moderate", "standard", "average", "p2",
    "routine", "ham", "not spam", "legitimate", "no", "false",
)  # fmt: skip
YES, NO = frozenset({"yes", "true", "y"}), frozenset({"no", "false", "n"})
# What every yes-or-no prompt says, whatever it asks.
BOILERPLATE = frozenset(
    stems(
        "answer respond reply output return write yes no true false only word exactly single "
        "nothing whether  determine decide tell check is message text email ticket customer user "
        "person input following read given  say classify if otherwise contain mention ask about "
        "talk lowercase uppercase punctuation assistant"
    )
)


def choose(found: Sequence[Offer], text: str, prompt: str) -> str:
    """The label that fits the text best, exactly as it was offered; there must be at least one."""
    by_name = {offer.label.casefold(): offer.label for offer in found}
    yes = next((label for name, label in by_name.items() if name in YES), None)
    no = next((label for name, label in by_name.items() if name in NO), None)
    if yes and no:
        return yes if agrees(prompt, text) else no
    reading = Reading(text)
    scores = _scores(found, reading)
    if "mixed" in by_name and _is_mixed(reading):
        return by_name["mixed"]
    best = max(scores, default=0.0)
    if best <= 0:
        return _fallback(found, by_name)
    return found[scores.index(best)].label


def agrees(question: str, text: str) -> bool:
    """Whether the text has what a yes-or-no question asks for."""
    asked = set(content_stems(question)) - BOILERPLATE
    reading = Reading(text)
    hits = sum(1 for word in asked if reading.mentions(word) and not reading.denies(word))
    line = Reading(question)
    related = (
        concept
        for concept in vocabulary.named_in(" ".join(asked))
        if any(line.mentions(name) for name in concept.names)
    )
    return hits + sum(_weigh(concept, reading) for concept in related) >= 1


def leaning(text: str) -> float:
    """How the text sounds, from -1 (angry) to 1 (delighted)."""
    reading = Reading(text)
    up = _weigh(vocabulary.concept("positive"), reading)
    down = _weigh(vocabulary.concept("negative"), reading)
    return (up - down) / (up + down) if up + down else 0.0


def _scores(found: Sequence[Offer], reading: Reading) -> list[float]:
    own = [set(stems(offer.label)) for offer in found]
    told = [set(content_stems(offer.description)) for offer in found]
    # A word that speaks for several labels speaks for none.
    shared = Counter(word for group in (own, told) for evidence in group for word in evidence)
    scores = []
    for offer, label, description in zip(found, own, told, strict=True):
        if _takes_the_rest(offer.label):
            scores.append(0.0)
            continue
        score = 3.0 * min(1, reading.mentions(" ".join(stems(offer.label))))
        score += sum(1.5 / shared[word] for word in label if len(word) > 2 and reading.mentions(word))
        score += sum(1.5 / shared[word] for word in description - label if reading.mentions(word))
        called = vocabulary.named_in(offer.label)
        score += sum(_weigh(concept, reading) for concept in called) / max(1, len(called)) ** 0.5
        described = [concept for concept in vocabulary.named_in(offer.description) if concept not in called]
        score += 0.4 * sum(_weigh(concept, reading) for concept in described) / max(1, len(described))
        scores.append(score)
    return scores


def _weigh(concept: vocabulary.Concept, reading: Reading) -> float:
    """How much of a text speaks for a concept; phrases more than words, a denied sign for its opposite."""
    weight = 0.0
    for sign in concept.signs:
        denied = reading.denies(sign)
        weight += (min(2, reading.mentions(sign)) - denied) * (1 + 0.5 * sign.count(" "))
    for name, other in (("positive", "negative"), ("negative", "positive")):
        if concept is vocabulary.concept(name):
            weight += 1.5 * sum(reading.denies(sign) for sign in vocabulary.concept(other).signs)
    return max(0.0, weight)


def _is_mixed(reading: Reading) -> bool:
    return all(_weigh(vocabulary.concept(name), reading) > 0 for name in ("positive", "negative"))


def _takes_the_rest(label: str) -> bool:
    """Whether a label is for what fits nowhere else: "other", or "not spam" beside "spam"."""
    return label.casefold() in CATCH_ALL or re.match(r"(?i)(?:not?|non)[ -]\w", label) is not None


def _fallback(found: Sequence[Offer], by_name: dict[str, str]) -> str:
    """Without any sign: the most general label, else the last, where prompts put the general one."""
    for name in CATCH_ALL:
        if name in by_name:
            return by_name[name]
    for offer in found:
        if _takes_the_rest(offer.label) or re.search(
            r"(?i)\b(?:other|general|else|anything|unknown|unclear|misc)\b",
            f"{offer.label} {offer.description}",
        ):
            return offer.label
    return found[-1].label
