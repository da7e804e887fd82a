"""What a prompt asks for: the material to work on, and the form the answer should take."""

import re
from dataclasses import dataclass
from functools import cached_property

from aistudio.llm.simulation.reading import Section, body, number_before, sections

# "Yes or no" and "spam or not spam" rule nothing out.
DENIED = re.compile(
    r"(?i)(?<!or )(?<!/)\b(?:no|not|never|without|avoid|don['’]t|instead of|rather than)\b[^.;:,\n]{0,60}"
)
ROLE = re.compile(
    r"(?i)\b(?:you are|you're|act as|as) (?:an?|the|our|my) ((?:[\w\-]+ ){0,4}?[\w\-]+)"
    r"(?=[.,;:\n]|$| who| that| for| of| at| in| and| with)"
)
# Up to this many words a part of the message is a remark (a label, a yes), not material.
REMARK_WORDS = 3
# Nobody waits for a simulation: what lies beyond these bounds is not looked at.
PART_LENGTH = 8_000
MAX_PARTS = 8


@dataclass(frozen=True)
class Task:
    """One call to answer: the instructions and the message they are about."""

    system: str
    user: str

    @cached_property
    def instructions(self) -> str:
        """What asks for something: the system prompt, and the message too when it is all there is."""
        return _clipped(self.system if self.system.strip() else self.user)

    @cached_property
    def wanted(self) -> str:
        """The instructions without what they rule out ("no tables, please")."""
        return DENIED.sub(" ", self.instructions)

    @cached_property
    def parts(self) -> list[Section]:
        """The parts of the message that hold material, oldest first."""
        found = [Section(part.title, _clipped(part.body)) for part in sections(self.user)]
        found = found if len(found) <= MAX_PARTS else [*found[: MAX_PARTS // 2], *found[-MAX_PARTS // 2 :]]
        return [part for part in found if len(part.body.split()) > REMARK_WORDS] or found

    @cached_property
    def material(self) -> str:
        """Everything there is to work on; without a message, the instructions themselves."""
        return "\n\n".join(body(part.body) for part in self.parts) or self.instructions.strip()

    @cached_property
    def request(self) -> str:
        """What somebody outside wrote first."""
        return self.parts[0].body if self.parts else self.instructions.strip()

    @cached_property
    def latest(self) -> str:
        """What was written last, by whoever worked on it before."""
        return self.parts[-1].body if self.parts else self.instructions.strip()

    def part(self, name: str) -> str | None:
        """The part of the message that a name speaks of by a word of its title, or null."""
        spoken = set(re.findall(r"[^\W_]+", name.lower()))
        found = [one.body for one in self.parts if spoken & set(re.findall(r"[^\W_]+", one.title.lower()))]
        return found[0] if 0 < len(found) < len(self.parts) else None

    @cached_property
    def role(self) -> str:
        """Who the answer should come from ("support engineer"), or ''."""
        found = ROLE.search(self.system)
        return found.group(1).strip() if found else ""

    @cached_property
    def word_limit(self) -> int | None:
        """How many words the answer may have, when the prompt says."""
        found = re.search(
            r"(?i)\b(?:under|below|at most|no more than|max(?:imum)?(?: of)?|less than|fewer than|up to|"
            r"within|about|around|limit\w* (?:\w+ ){0,3}to)\s+(\d{1,4})[\s\-]+words?\b|"
            r"\b(\d{1,4})[\s\-]+words? (?:or less|or fewer|max)",
            self.instructions,
        )
        return int(found.group(1) or found.group(2)) if found else None

    @cached_property
    def sentence_limit(self) -> int | None:
        """How many sentences the answer may have, when the prompt says."""
        return number_before(r"sentences?\b", self.instructions)

    def asks(self, pattern: str) -> bool:
        """Whether the instructions ask for something, and do not rule it out."""
        return re.search(rf"(?i){pattern}", self.wanted) is not None


def _clipped(text: str) -> str:
    """The text, or its beginning and end: instructions stand at either."""
    if len(text) <= PART_LENGTH:
        return text
    return f"{text[: PART_LENGTH // 2]}\n\n{text[-PART_LENGTH // 2 :]}"
