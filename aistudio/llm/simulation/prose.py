"""Answers people read: replies, summaries, lists, polished drafts, plain paragraphs."""

import re

from aistudio.llm.simulation import judgement, vocabulary
from aistudio.llm.simulation.fields import COMMITMENT, DATE, Source
from aistudio.llm.simulation.reading import (
    Reading,
    capital,
    joined,
    key_sentences,
    number_before,
    person,
    sentences,
    topics,
)
from aistudio.llm.simulation.task import Task

FILLERS = re.compile(
    r"(?i)\b(?:very|really|just|basically|actually|simply|quite|literally|kind of|sort of) (?=\w)"
)
PLAINER = {
    r"\butili[sz]e\b": "use",
    r"\bin order to\b": "to",
    r"\bdue to the fact that\b": "because",
    r"\bat this point in time\b": "now",
    r"\bplease do not hesitate to\b": "please",
    r"\bwe are in receipt of\b": "we have received",
    r"\bcan't\b": "cannot",
    r"\bgonna\b": "going to",
    r"\bwanna\b": "want to",
    r"\bteh\b": "the",
    r"\brecieve\b": "receive",
    r"\bu\b": "you",
    r"\bpls\b": "please",
    r"\bi\b": "I",
}

# A longer text than this is a draft or a document, not news.
NEWS_WORDS = 80

# What a helpful answer says next, by what the message is about; the first that fits is taken.
ADVICE = (
    ("billing", "compare the charges on the account with what was agreed",
     "correct whatever does not belong there and confirm the amount in writing",
     "the invoice number and the date of the charge"),
    ("technical", "reproduce what you describe and look at what happened at that moment",
     "send you the fix, or a safe way around it until there is one",
     "the exact error text and what you did right before it"),
    ("shipping", "ask the carrier where the shipment is right now",
     "send you the new delivery date, or a replacement if it is lost",
     "the order number and the delivery address"),
    ("sales", "put together the option that fits the size and the goals you describe",
     "send you an offer with clear prices and show you how it works in practice",
     "how many people will use it and when you would like to start"),
    ("partnership", "find out together where both sides gain the most",
     "suggest a first joint step that is small enough to start soon",
     "a short description of your company and your customers"),
    ("human resources", "check what applies in your case",
     "send you the next steps and the dates that matter",
     "the dates you have in mind"),
)  # fmt: skip
GENERAL_ADVICE = (
    "general", "look into it and collect everything that answers your question",
    "come back to you with a complete answer and a clear next step",
    "any detail that is important to you",
)  # fmt: skip


def reply(task: Task) -> str:
    """A message to whoever wrote the request."""
    text = task.request
    name = (person(text) or "there").split()[0]
    about = joined(topics(text, 2)) or "your request"
    _, first, second, missing = _advice(text)
    opening = (
        f"I am sorry about the trouble with {about}; that is not the experience you should have."
        if judgement.leaning(text) < -0.2
        else f"Thank you for your message about {about}."
    )
    closing = f"Best regards,\n{_signature(task)}"
    news = _settled(task)
    if news:
        open_end = "If anything is left open, a short reply is enough."
        paragraphs = [f"Hi {name},", f"{opening} {_understood(text)}", news, open_end, closing]
        return "\n\n".join(paragraphs)
    if task.sentence_limit or task.word_limit:
        short = _cut(f"{opening} We {first}, and then {second}. It helps us to know {missing}.", task)
        return f"Hi {name},\n\n{short}\n\n{closing}"
    date = DATE.search(text)
    timing = f" You mentioned {date.group()}, so we keep that date in mind." if date else ""
    body = [
        f"{opening} {_understood(text)}{timing}",
        *_asked(text),
        "Here is what happens next:",
        f"1. We {first}.\n2. We {second}.\n3. You hear from us within one working day.",
        " ".join([*_told(task), f"To be quick, it helps us to know {missing}. A short reply is enough."]),
    ]
    subject = f"Subject: Your message about {about}\n\n" if task.asks(r"\bsubject(?: line)?\b") else ""
    return f"{subject}Hi {name},\n\n" + "\n\n".join(body) + f"\n\n{closing}"


def _settled(task: Task) -> str:
    """What somebody has written about the request since, when that is a few plain sentences; else ''."""
    latest = task.latest
    is_plain = (
        len(latest.split()) <= NEWS_WORDS and latest[-1:] in ".!?" and not latest.startswith(("{", "[", "#"))
    )
    return latest if len(task.parts) > 1 and is_plain else ""


def _asked(text: str) -> list[str]:
    """A paragraph that takes up every question of the text, if it has any."""
    questions = [sentence for sentence in sentences(text) if sentence.endswith("?")][:4]
    lines = [
        f"- “{question}” A colleague who knows the details answers this in writing." for question in questions
    ]
    return ["You asked:\n\n" + "\n".join(lines)] if lines else []


def _told(task: Task) -> list[str]:
    """What the prompt wants said, turned towards the reader."""
    found = re.search(
        r"(?i)\b(?:cares? about|focus on|pay attention to|emphasi[sz]e|highlight)\s+([^.\n:;]{4,120})",
        task.system,
    )
    offer = re.search(r"(?:^|[.!\n]\s*)(Offer|Suggest|Propose) (an? [^.,\n]{4,80})", task.system)
    lines = [f"We look at {found.group(1).strip()} in particular."] if found else []
    return (
        [*lines, f"We would also like to {offer.group(1).lower()} {offer.group(2).strip()}."]
        if offer
        else lines
    )


def _advice(text: str) -> tuple[str, str, str, str]:
    reading = Reading(text)
    scored = [
        (sum(reading.mentions(sign) for sign in vocabulary.concept(entry[0]).signs), -index, entry)
        for index, entry in enumerate(ADVICE)
    ]
    best = max(scored)
    return best[2] if best[0] else GENERAL_ADVICE


def _understood(text: str) -> str:
    told = key_sentences(text, 1)
    quoted = told[0].rstrip(".!?") if told else ""
    return f"You wrote: “{quoted}”." if 2 < len(quoted.split()) <= 40 else "I have read it carefully."


def _signature(task: Task) -> str:
    team = re.search(r"(?i)\b(?:for|on|in|of) the ([\w ]{2,20}?) team\b", task.system)
    role = re.sub(
        r"(?i)\b(?:senior|junior|helpful|friendly|experienced|expert|professional|polite) ", "", task.role
    )
    return f"The {team.group(1)} team" if team else f"Your {role}" if role else "The team"


def summary(task: Task) -> str:
    """The most telling sentences of the material."""
    count = task.sentence_limit or (1 if task.asks(r"\bone[\s-]line|\bsingle sentence|\btl;?dr") else 3)
    told = key_sentences(task.material, count)
    text = " ".join(sentence if sentence[-1] in ".!?…" else f"{sentence}." for sentence in told)
    if len(told) < 2 or not task.sentence_limit:
        about = joined(topics(task.material, 3))
        text = f"In short, this is about {about}. {text}" if about and count > 1 else text
    return _cut(text, task)


def bullets(task: Task) -> str:
    """The key points as a Markdown list."""
    count = number_before(
        r"(?:bullet(?:s| points?)?|points?|items?|takeaways?|ideas?|questions?|lines?)\b", task.wanted
    )
    source = Source.of(task)
    told = [sentence.rstrip(".") for sentence in key_sentences(task.material, count or 5)]
    wanted = count or max(3, len(told))
    about = source.topics
    extra = [f"{source.subject(i)}: worth a closer look" for i in range(len(about))]
    points = list(dict.fromkeys([*told, *extra]))[:wanted]
    numbered = task.asks(r"\bnumbered\b|\bordered list\b|\bstep[\s-]by[\s-]step\b|\bsteps\b")
    return "\n".join(f"{f'{i}.' if numbered else '-'} {point}" for i, point in enumerate(points, 1))


def action_items(task: Task) -> str:
    """What somebody has to do, as a Markdown list."""
    asked = number_before(
        r"(?:action items?|actions?|tasks?|to-?dos?|next steps?|items?|steps?)\b", task.wanted
    )
    found = [s.rstrip(".") for s in sentences(task.material) if COMMITMENT.search(s)]
    source = Source.of(task)
    found += [
        f"{source.cell('action', row)} ({source.detail(row).rstrip('.')})" for row in range(len(source.items))
    ]
    found = list(dict.fromkeys(found))[: asked or min(5, max(3, len(source.items)))]
    mark = "- [ ]" if task.asks(r"\bcheck ?list\b|\bcheckbox") else "-"
    numbered = task.asks(r"\bnumbered\b|\bordered list\b")
    return "\n".join(f"{f'{i}.' if numbered else mark} {item}" for i, item in enumerate(found, 1))


def polished(task: Task) -> str:
    """The latest draft, gone over: spelling, fillers, blanks, an ending."""
    text = re.sub(r"(?i)^\s*(?:draft|reply|text)\s*:\s*\n?", "", task.latest)
    for pattern, plain in PLAINER.items():
        text = re.sub(pattern, plain, text, flags=0 if plain == "I" else re.IGNORECASE)
    text = re.sub(r"(?i)\b(\w+) \1\b", r"\1", FILLERS.sub("", text))
    text = re.sub(r"!+", ".", re.sub(r"[ \t]+", " ", text))
    text = re.sub(r" +([,.;:?])", r"\1", re.sub(r"\n{3,}", "\n\n", text))
    lines = [_finished(line) for line in text.strip().split("\n")]
    text = "\n".join(lines)
    reads_like_letter = re.match(r"(?i)\s*(?:subject:|hi|hello|dear)\b", text) is not None
    if reads_like_letter and "question" not in text.lower():
        body, mark, closing = text.rpartition("\n\n")
        ending = "If any question is left open, a short reply is all it takes."
        text = f"{body}\n\n{ending}\n\n{closing}" if mark else f"{text}\n\n{ending}"
    return _cut(text, task)


def _finished(line: str) -> str:
    """A line with capitals at its sentences' starts and, if it is a sentence, an end."""
    if not line.strip() or line.lstrip().startswith(("|", "```", "#", "http")):
        return line
    line = re.sub(r"(?<=[.?]\s)[a-z](?=\w*\s)", lambda match: match.group().upper(), line)
    line = re.sub(
        r"^(\s*(?:[-*]|\d+[.)])?\s*)([a-z])(?=[a-z]*\s)", lambda m: m.group(1) + m.group(2).upper(), line
    )
    is_sentence = len(line.split()) > 5 and line.rstrip()[-1].isalnum()
    return f"{line.rstrip()}." if is_sentence else line


def headline(task: Task) -> str:
    """One line that says what the material is about."""
    source = Source.of(task)
    about = joined(source.topics[:2])
    return f"{about[:1].upper()}{about[1:]}: what matters now"


def assessment(task: Task) -> str:
    """What is good and what could be better about the latest draft."""
    source = Source(task.latest)
    return "\n".join(
        [
            f"**Strength:** it speaks clearly about {joined(source.topics[:2])}.",
            f"**Gap:** “{source.detail(len(source.items) - 1).rstrip('.')}” needs a concrete next step.",
            f"**Suggestion:** say who takes care of {source.topics[-1]} and by when.",
        ]
    )


def extracted(found: list[str], what: str) -> str:
    """What was looked for in the material, or a sentence that there is none."""
    return "\n".join(f"- {item}" for item in found) if found else f"There is no {what} in the text."


def paragraph(task: Task) -> str:
    """A helpful paragraph that takes up what the material says."""
    about = topics(task.material, 4) or ["your request"]
    told = key_sentences(task.material, 2)
    first, last = about[0], about[-1]
    text = f"This is about {joined(about)}."
    if told and len(told[0].split()) > 2:
        text += f" The central point is: “{told[0].rstrip('.!?')}”."
    if len(told) > 1:
        text += f" It also matters that “{told[1].rstrip('.!?')}”."
    text += f" A good way to begin is with what is certain about {first}: write it down, and who it concerns."
    if last != first:
        text += f" Then settle {last}, because the rest depends on it."
    return _cut(
        f"{text} Leave what is open for last, and check the result with somebody it is meant for.", task
    )


def poem(task: Task) -> str:
    """Three lines about the material."""
    about = topics(task.material, 2) or ["this"]
    return f"{capital(about[0])}, again,\na quiet line at a time:\n{about[-1]} finds its place"


def untranslated(task: Task) -> str:
    """What the offline model has to say when a translation is wanted: it knows no other language."""
    return f"The offline model cannot translate; a real model will. The text, as it stands:\n\n{task.latest}"


def _cut(text: str, task: Task) -> str:
    """The text within the sentences and words the prompt allows."""
    if task.sentence_limit:
        text = " ".join(sentences(text)[: task.sentence_limit])
    if task.word_limit and len(text.split()) > task.word_limit:
        kept, total = [], 0
        for sentence in sentences(text):
            total += len(sentence.split())
            if total > task.word_limit:
                break
            kept.append(sentence)
        text = " ".join(kept) or " ".join(text.split()[: task.word_limit])
    return text
