"""Longer pieces: a side of a debate, posts, a blurb, findings, a document under the headings asked for."""

import re

from aistudio.llm.simulation.fields import URL, Source, decided, to_do
from aistudio.llm.simulation.offers import enumeration
from aistudio.llm.simulation.reading import (
    body,
    capital,
    joined,
    key_sentences,
    number_before,
    sentences,
)
from aistudio.llm.simulation.task import Task

SIDE = re.compile(r"(?i)\b(?:for|against|in favou?r of|oppos\w+|supports?|rejects?|defends?)\b")
OPPOSED = ("against", "oppos", "reject")
# What each side makes of a fact, the strongest first, and its answer to the other one.
CASES = {
    False: (
        "leaving everything as it is would not change that.",
        "this is where a change is felt first, and where it is easiest to measure.",
        "whoever waits for a better moment pays for the wait as well.",
        "The other side will call it risky; a trial with a fixed end is the answer to that.",
    ),
    True: (
        "a change of this size puts exactly that at risk.",
        "nobody has said yet who makes up for it, and at what cost.",
        "a smaller step would show the same, and could be taken back.",
        "The other side will say that waiting costs as well; it costs less than a step that is taken back.",
    ),
}

HEADINGS = re.compile(r"(?i)\b(?:headings?|sections?|chapters?)\b(?: (?:are|named|called))?[ \t]*:[ \t]*")
THREAD_LENGTH = 5
POST_LENGTH = 270


def argument(task: Task) -> str:
    """One side of a debate, made of what the request says."""
    first = SIDE.search(task.wanted)
    against = first is not None and first.group().lower().startswith(OPPOSED)
    facts = [fact.rstrip(".!?") for fact in key_sentences(task.request, 6)]
    # The motion itself proves nothing, and the two sides do not look at the same facts first.
    facts = facts[1:] or facts
    facts = facts[::-1] if against else facts
    *makes, closing = CASES[against]
    points = [
        f"{number}. {capital(fact)}; {make}"
        for number, (fact, make) in enumerate(zip(facts, makes, strict=False), 1)
    ]
    return "\n".join([*points, "", closing])


def post(task: Task) -> str:
    """A post for a network of colleagues: a fact, what it is about, a question."""
    text = _article(task)
    first, *rest = key_sentences(text, 4) or ["There is news."]
    about = Source(text).topics[0]
    parts = [
        _ended(first),
        " ".join(map(_ended, rest)),
        f"What is your experience with {about}?",
        _link(task),
    ]
    return "\n\n".join(part for part in parts if part)


def thread(task: Task) -> str:
    """Numbered short posts that tell the whole, as many as asked for."""
    count = number_before(r"(?:posts?|tweets?|messages?|parts?)\b", task.wanted) or THREAD_LENGTH
    told = [_ended(sentence) for sentence in key_sentences(_article(task), count)]
    link = _link(task)
    lines = [
        f"{number}/{len(told)} {text if len(text) <= POST_LENGTH else f'{text[: POST_LENGTH - 1].rstrip()}…'}"
        for number, text in enumerate(told, 1)
    ]
    return "\n\n".join([*lines[:-1], f"{lines[-1]} {link}".rstrip()])


def blurb(task: Task) -> str:
    """A bold headline, two sentences, and the way to the whole."""
    text = _article(task)
    title = task.request[: -len(text)].strip() if task.request.endswith(text) else ""
    title = title or capital(joined(Source(text).topics[:2]))
    told = " ".join(map(_ended, key_sentences(text, 2)))
    link = _link(task)
    parts = [f"**{title}**", told, f"[Read on]({link})" if link else ""]
    return "\n\n".join(part for part in parts if part)


def findings(task: Task) -> str:
    """What can be said without a look at the world: what has to be looked up."""
    asked = [sentence for sentence in sentences(task.instructions) if sentence.endswith("?")]
    about = [f"What is known about {topic}?" for topic in Source(task.request).topics[:3]]
    return f"The offline model looks nothing up; a real model does. To find out:\n\n{_listed(asked or about)}"


def headings(task: Task) -> list[str]:
    """The headings that the prompt wants a document to have, or none."""
    found = HEADINGS.search(task.wanted)
    named = enumeration(task.wanted[found.end() :]) if found else []
    return [capital(offer.label) for offer in named] if len(named) > 1 else []


def document(task: Task) -> str:
    """A Markdown document with the headings that the prompt wants."""
    return "\n\n".join(f"## {heading}\n\n{_under(heading, task)}" for heading in headings(task))


def _under(heading: str, task: Task) -> str:
    """What stands under a heading: what its name asks for, or what the part of that name says."""
    text = _article(task)
    about = Source(text).topics
    if re.search(r"(?i)action|to-?do|next step|task", heading):
        return _listed(to_do(text))
    if re.search(r"(?i)decision|agreed", heading):
        return _listed(decided(text))
    if re.search(r"(?i)summary|overview|background|introduction", heading):
        return " ".join(map(_ended, key_sentences(text, 2)))
    if re.search(r"(?i)risk|concern|threat", heading):
        return _listed([f"What is not known yet about {topic} may turn out otherwise" for topic in about[:3]])
    if re.search(r"(?i)question|unclear|unknown", heading):
        return _listed([s for s in sentences(text) if s.endswith("?")])
    if re.search(r"(?i)recommend|conclusion|advice|proposal", heading):
        first, then = about[0], about[-1]
        return f"Find out about {first} first, on a small scale, and decide about {then} by what it shows."
    part = task.part(heading)
    return part if part is not None else " ".join(map(_ended, key_sentences(text, 2)))


def _article(task: Task) -> str:
    """The request without a title of its own: a first paragraph that does not end as sentences do."""
    title, _, rest = body(task.request).partition("\n\n")
    return rest.strip() if rest.strip() and title.rstrip()[-1:] not in ".!?:" else body(task.request)


def _link(task: Task) -> str:
    found = URL.search(task.instructions) or URL.search(task.material)
    return found.group().rstrip(".,;:") if found else ""


def _listed(points: list[str]) -> str:
    return "\n".join(f"- {_ended(point)}" for point in points) if points else "None."


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."
