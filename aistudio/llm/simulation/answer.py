"""What the offline model says: finds out what form a prompt asks for, and answers in it."""

import re

from aistudio.llm.simulation import documents, judgement, prose, tables
from aistudio.llm.simulation.fields import EMAIL, PHONE, URL
from aistudio.llm.simulation.offers import SORTING, offers
from aistudio.llm.simulation.task import Task

WRITING = (
    r"\b(?:write|draft|compose|summari[sz]e|explain|describe|improve|rewrite|polish|proofread|create|generate|produce|"
    r"translate|extract|list|plan|outline|brainstorm|propose|suggest|reply to|respond to|answer the (?:customer|question|user))\b"
)
ONLY_A_WORD = (
    r"\b(?:only|exactly|just|single|one|nothing but)\b[^.\n]{0,40}\b(?:words?|labels?|category|categories|class|option|name|"
    r"of|value|letter|tag|intent|team|department|number|digit|yes|no|verdict|language)\b|"
    r"\b(?:category|label|class|department|team|intent|word|tag|language|route|answer|verdict)(?: name)? (?:only|alone)\b|"
    r"\b(?:answer|respond|reply|output|return|say)\b[^.\n]{0,20}\b(?:yes|true)\b[^.\n]{0,12}\b(?:no|false)\b|"
    r"\bone of\b"
)
SORTS = rf"\b{SORTING}\b|\b(?:decide|determine|detect|identify|choose|pick|select|assess|which|what is the (?:intent|sentiment|topic|tone|mood|category|urgency))\b|\bis (?:it|this|the)\b|\btell (?:me )?(?:if|whether)\b"
LETTER = r"\b(?:reply|replies|email|e-mail|letter|message|answer|response|respond)\b"
POLISH = r"\b(?:review|improve|polish|proofread|rewrite|edit|refine|revise|check|quality|qa|correct|tighten|rephrase|paraphrase)\b"


def answer(system: str, user: str) -> str:
    """The offline model's answer to a system prompt and a message; the same for the same two, always."""
    task = Task(system, user)
    structured = _structured(task)
    if structured is not None:
        return structured
    scale = _scale(task)
    if scale is not None:
        return scale
    found = offers(task.instructions) if _sorts(task) else []
    if found:
        return judgement.choose(found, task.material, task.instructions)
    text = _prose(task)
    # "Write a summary and add a table": the prose first.
    if task.asks(r"\btable\b"):
        return f"{text}\n\n{tables.markdown(task)}"
    return text


def _structured(task: Task) -> str | None:
    """The answer when the prompt asks for a machine's form and nothing else."""
    if task.asks(r"\bmermaid\b|\bflow ?chart\b|\bsequence ?diagram\b|\bmind ?map\b|\bdiagram\b"):
        return documents.mermaid(task)
    if task.asks(r"\b(?:bar|line|pie|area)? ?charts?\b|\bgraph data\b|\bplot\b") and task.asks(
        r"\bjson\b|\blabels?\b|\bdata\b|\bchart"
    ):
        return documents.chart_json(task)
    if task.asks(r"\bjson\b"):
        return documents.json_text(task)
    if task.asks(r"\bcsv\b|\bcomma[\s-]separated values\b"):
        return tables.comma_separated(task)
    if task.asks(r"\b(?:table|tabular|tabulate|rows? and columns?|columns?:)\b") and not _adds_table(task):
        return tables.markdown(task)
    return None


def _adds_table(task: Task) -> bool:
    """Whether the table is only a part of what is asked for."""
    added = r"\b(?:and|then|followed by|end with|ending with|include|including|add|plus|finish with)\b[^.\n]{0,30}\btable\b"
    return task.asks(added) and (task.asks(WRITING) or task.asks(POLISH))


def _sorts(task: Task) -> bool:
    """Whether the prompt wants one of several words rather than a text."""
    if re.search(rf"(?i){ONLY_A_WORD}", task.instructions):
        return task.asks(SORTS) or task.asks(r"\b(?:respond|reply|answer|return|output|say|print|give)\b")
    first = re.search(rf"(?i)(?P<sorts>{SORTS})|(?P<writes>{WRITING}|{POLISH})", task.wanted)
    if first is None or first.lastgroup is None:
        return task.asks(r"\b(?:yes or no|true or false)\b")
    return first.group("sorts") is not None


def _scale(task: Task) -> str | None:
    """The number when the prompt asks for one on a scale."""
    found = re.search(
        r"(?i)\b(?:rate|score|grade|rank|scale)\b[^.\n]{0,60}?\b(\d{1,3})\s*(?:to|-|–|and|through)\s*(\d{1,3})\b",
        task.instructions,
    )
    if found is None or task.asks(LETTER + r"[^.\n]{0,20}\bto the\b"):
        return None
    low, high = sorted(int(number) for number in found.groups())
    middle = (low + high) / 2
    return str(round(middle + (high - middle) * judgement.leaning(task.material)))


def _prose(task: Task) -> str:
    """The answer when the prompt asks for a text."""
    if task.asks(r"\b(?:extract|find|list)\b[^.\n]{0,30}\be-?mail address"):
        return prose.extracted(EMAIL.findall(task.material), "e-mail address")
    if task.asks(r"\b(?:extract|find|list)\b[^.\n]{0,30}\bphone"):
        return prose.extracted(PHONE.findall(task.material), "phone number")
    if task.asks(r"\b(?:extract|find|list)\b[^.\n]{0,30}\b(?:urls?|links?)\b"):
        return prose.extracted(URL.findall(task.material), "link")
    if task.asks(
        r"\baction (?:items?|points?|plan)\b|\bto-?dos?\b|\bnext steps\b|\bcheck ?list\b|\btasks\b"
    ) and not task.asks(rf"\b(?:write|draft|compose)\b[^.\n]{{0,40}}{LETTER}|{POLISH}"):
        return prose.action_items(task)
    if task.asks(
        r"\b(?:write|suggest|give|create|draft|propose)\b[^.\n]{0,30}\b(?:title|headline|subject line|slogan|tagline)\b(?! and)"
    ):
        return prose.headline(task)
    if task.asks(POLISH) and (
        task.asks(
            r"\bdraft|\bimprove|\bpolish|\bproofread|\brewrite|\bfinal version|\bedit|\brevise|\brefine|\brephrase"
        )
        or len(task.parts) > 1
    ):
        if task.asks(r"\b(?:feedback|critique|assess|list (?:the )?(?:issues|problems)|point out)\b"):
            return prose.assessment(task)
        return prose.polished(task)
    if task.asks(
        r"\bsummar|\btl;?dr\b|\bin short\b|\bcondense|\bshorten|\babstract\b|\bdigest\b|\boverview\b|\brecap"
    ):
        return (
            prose.bullets(task)
            if task.asks(r"\bbullets?\b|\bbullet points?\b|\bkey points\b")
            else prose.summary(task)
        )
    if task.asks(rf"{LETTER}") and task.asks(
        r"\b(?:write|draft|compose|reply|respond|answer|prepare|send)\b[^.\n]{0,80}\b(?:reply|email|e-mail|letter|message|response|answer|customer|client|inquiry|enquiry|sender|prospect|user|person|them|him|her|lead|request|question)"
    ):
        return prose.reply(task)
    if task.asks(
        r"\bbullets?\b|\bbullet points?\b|\blist\b|\bkey points\b|\bideas\b|\bsteps\b|\bnumbered\b|\bquestions\b"
    ):
        return prose.bullets(task)
    return prose.paragraph(task)
