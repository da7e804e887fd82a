"""What the offline model says: finds out what form a prompt asks for, and answers in it."""

import re
from collections.abc import Callable, Sequence

from aistudio.llm.simulation import compositions, documents, judgement, prose, tables
from aistudio.llm.simulation.fields import EMAIL, PHONE, URL
from aistudio.llm.simulation.offers import SORTING, Offer, offers
from aistudio.llm.simulation.task import Task

WRITING = (
    r"\b(?:write|draft|compose|summari[sz]e|explain|describe|improve|rewrite|polish|proofread|create|generate|"
    r"produce|translate|extract|list|plan|outline|brainstorm|propose|suggest|recommend|reply to|respond to|"
    r"answer the (?:customer|question|user)|research|argue|make the case|turn (?:\w+ ){1,3}into)\b"
)
POLISH = (
    r"\b(?:review|improve|polish|proofread|rewrite|edit|refine|revise|check|quality|qa|correct|tighten|rephrase|"
    r"paraphrase)\b"
)
SORTS = (
    rf"\b(?:classif|categori[sz]|triag)\w*|\b{SORTING} (?:the|this|these|it|them|each|every|an?|all|any|"
    r"incoming|customer|user|messages|emails|tickets|requests|following|text|into|as|by)\b|"
    r"\b(?:decide|determine|detect|identify|choose|pick|select|assess|which)\b|"
    r"\bwhat is the (?:intent|sentiment|topic|tone|mood|category|urgency)\b|\bis (?:it|this|the)\b|"
    r"\btell (?:me )?(?:if|whether)\b"
)
SAYS = r"\b(?:respond|reply|answer|return|output|say|print|give)\b"
WORD = (
    r"(?:words?|labels?|category|categories|class|option|name|value|letter|tag|intent|team|department|number|"
    r"digit|yes|no|verdict|language|one of)"
)
ONLY_A_WORD = (
    rf"\b(?:only|exactly|just|single|one|nothing but)\b[^.\n]{{0,40}}\b{WORD}\b|"
    r"\b(?:category|label|class|department|team|intent|word|tag|route|answer|verdict)(?:['’]s)?(?: name)? "
    r"(?:only|alone)\b|"
    rf"{SAYS}[^.\n]{{0,20}}\b(?:yes|true)\b[^.\n]{{0,12}}\b(?:no|false)\b|"
    rf"{SAYS} (?:with )?(?:[\"“'‘`]|[\w-]+ (?:if|when|unless)\b)|"
    r"\b(?:return|output|print|(?:respond|reply|answer) with)\b[^.\n]{0,40}"
    r"\b(?:labels?|category|class|intent|team|department|queue|topic|segment|tag|code|string|option|choice|verdict|sentiment|language|priority)\b"
)
LETTER = r"\b(?:reply|replies|email|e-mail|letter|message|answer|response|respond)\b"
READER = (
    r"\b(?:customer|client|inquiry|enquiry|sender|prospect|user|person|them|him|her|lead|request|question|ticket|"
    r"message|e-?mail|visitor|guest|patient|reader)"
)
TABLE_TOO = (
    r"\b(?:and|then|followed by|(?:end|ending|finish) with|include|including|add|plus)\b[^.\n]{0,30}\btable\b"
)

# The forms a machine reads, the most particular first.
FORMS: tuple[tuple[str, Callable[[Task], str]], ...] = (
    (r"\bmermaid\b|\bflow ?chart\b|\bsequence ?diagram\b|\bmind ?map\b|\bdiagram\b", documents.mermaid),
    (r"\b(?:bar|line|pie|area)? ?charts?\b|\bgraph data\b|\bplot\b", documents.chart_json),
    (r"\bjson\b", documents.json_text),
    (r"\bcsv\b|\bcomma[\s-]separated values\b", tables.comma_separated),
    (r"\b(?:table|tabular|tabulate|rows? and columns?|columns?:)\b", tables.markdown),
)


def answer(system: str, user: str) -> str:
    """The offline model's answer to a system prompt and a message; the same for the same two, always."""
    # Offers are cut apart at a mark of their own.
    task = Task(system.replace("\x00", " "), user.replace("\x00", " "))
    found = offers(task.instructions) if _sorts(task) else []
    form = _form(task, found)
    if form is not None:
        return form(task)
    scale = _scale(task)
    if scale is not None:
        return scale
    if found:
        return judgement.choose(found, task.material, task.instructions)
    text = _prose(task) or "There is nothing here to work on yet."
    return f"{text}\n\n{tables.markdown(task)}" if task.asks(TABLE_TOO) else text


def _form(task: Task, found: Sequence[Offer]) -> Callable[[Task], str] | None:
    """How to answer when a machine's form is asked for, and nothing else."""
    labels = "|".join(re.escape(offer.label) for offer in found if " " not in offer.label)
    # "Is a chart, a table or a text best?" asks for none of them.
    wanted = re.sub(rf"(?i)(?<!\w)(?:{labels})(?!\w)", " ", task.wanted) if labels else task.wanted
    for pattern, form in FORMS:
        if re.search(rf"(?i){pattern}", wanted):
            # "Write a summary and add a table": the table is only a part of it.
            also_prose = task.asks(TABLE_TOO) and task.asks(f"{WRITING}|{POLISH}")
            return None if form is tables.markdown and also_prose else form
    return None


def _sorts(task: Task) -> bool:
    """Whether the prompt wants one of several words rather than a text."""
    if task.asks(ONLY_A_WORD):
        return task.asks(SORTS) or task.asks(SAYS) or not task.asks(WRITING)
    first = re.search(rf"(?i)(?P<sorts>{SORTS})|(?P<writes>{WRITING}|{POLISH})", task.wanted)
    if first is None:
        return task.asks(r"\b(?:yes or no|true or false|one of)\b")
    return first.group("sorts") is not None


def _scale(task: Task) -> str | None:
    """The number when the prompt asks for one on a scale."""
    found = re.search(
        r"(?i)\b(?:rat(?:e|ing)|scor(?:e|ing)|grade|rank|scale|stars)\b[^.\n]{0,60}?\b(\d{1,3})\s*(?:to|-|–|and|through)\s*(\d{1,3})\b",
        task.instructions,
    )
    if found is None:
        return None
    low, high = sorted(int(number) for number in found.groups())
    return str(round((low + high) / 2 + (high - low) / 2 * judgement.leaning(task.material)))


def _prose(task: Task) -> str:
    """The answer when the prompt asks for a text."""
    if compositions.headings(task):
        return compositions.document(task)
    for pattern, write in TEXTS:
        if task.asks(pattern):
            return write(task)
    return prose.paragraph(task)


def _review(task: Task) -> str:
    if task.asks(r"\b(?:feedback|critique|list (?:the )?(?:issues|problems)|point out)\b"):
        return prose.assessment(task)
    return prose.polished(task)


def _summary(task: Task) -> str:
    return prose.bullets(task) if task.asks(r"\bbullets?\b|\bkey points\b") else prose.summary(task)


def _looked_for(pattern: re.Pattern[str], what: str) -> Callable[[Task], str]:
    return lambda task: prose.extracted(pattern.findall(task.material), what)


SEARCH = r"\b(?:extract|find|list)\b[^.\n]{0,30}"

# The texts people read, the most particular first.
TEXTS: tuple[tuple[str, Callable[[Task], str]], ...] = (
    (rf"{SEARCH}\be-?mail address", _looked_for(EMAIL, "e-mail address")),
    (rf"{SEARCH}\bphone", _looked_for(PHONE, "phone number")),
    (rf"{SEARCH}\b(?:urls?|links?)\b", _looked_for(URL, "link")),
    (r"\btranslate\b", prose.untranslated),
    (r"\b(?:poem|haiku|limerick|verse)\b", prose.poem),
    (
        r"\b(?:argue|arguments?|case) (?:for|against|in favou?r)\b|"
        r"\b(?:make|state|plead) the case\b|\bdebat(?:e|er|ing)\b[^.\n]{0,40}\b(?:for|against)\b",
        compositions.argument,
    ),
    (r"\b(?:thread|series) of\b[^.\n]{0,30}\b(?:posts?|tweets?|messages)\b", compositions.thread),
    (r"\b(?:blurb|teaser)\b", compositions.blurb),
    (
        r"\b(?:write|draft|create|into|as|compose)\b[^.\n]{0,30}\b(?:linkedin|facebook|instagram|"
        r"social(?: media)?) (?:post|update|caption)\b",
        compositions.post,
    ),
    (
        r"^\W*(?:you [^.\n]{0,60}\.\s+)?research\b|\b(?:look up|research) (?:the|how|who|what|which)\b",
        compositions.findings,
    ),
    (
        r"\b(?:write|suggest|give|create|propose)\b[^.\n]{0,30}\b(?:title|headline|slogan|tagline)\b(?! and)",
        prose.headline,
    ),
    (
        rf"{POLISH}[^.\n]*\b(?:draft|final|version|reply|repl|answer|text|response|wording|grammar|tone|copy|output)|"
        r"\b(?:improve|polish|proofread|rewrite|rephrase|paraphrase|revise)\b",
        _review,
    ),
    (
        rf"\b(?:write|draft|compose|prepare|send|craft|create|produce)\b[^.\n]{{0,60}}{LETTER}|"
        rf"\b(?:reply|respond|answer|help|assist|write (?:to|for|back))\b[^.\n]{{0,40}}{READER}",
        prose.reply,
    ),
    (
        r"\baction (?:items?|points?|plan)\b|\bto-?dos?\b|\bnext steps\b|\bcheck ?list\b|\btasks\b",
        prose.action_items,
    ),
    (
        r"\bsummar|\btl;?dr\b|\bin short\b|\bcondense|\bshorten|\babstract\b|\bdigest\b|\boverview\b|\brecap",
        _summary,
    ),
    (r"\bbullets?\b|\blist\b|\bkey points\b|\bideas\b|\bsteps\b|\bnumbered\b|\bquestions\b", prose.bullets),
)
