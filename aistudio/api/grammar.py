"""The grammar of JSON (RFC 8259), for texts that the parser does not take."""

import re

_BLANK = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_TOKEN = re.compile(
    rf"{_BLANK}(?:({_STRING}{_BLANK}:)|({_STRING}|{_NUMBER}|true|false|null)|([\[{{])|([\]}}])|(,)|(.))",
    re.DOTALL,
)
_KEY, _SCALAR, _OPENING, _CLOSING, _COMMA = range(1, 6)
_VALUE = frozenset({_SCALAR, _OPENING})
_MEMBER = frozenset({_KEY})
_REST = frozenset({_CLOSING, _COMMA})


def is_json(text: str) -> bool:
    """Whether a text is well-formed, however deep it is and whatever numbers it spells.

    In linear time, and without recursion.
    """
    closings: list[str] = []
    expected = _VALUE
    # A token must follow each run of blanks: at the end, none would.
    for match in _TOKEN.finditer(text.rstrip(" \t\n\r")):
        token = match.lastindex
        if token not in expected:
            return False
        if token == _OPENING:
            closings.append("}" if match[token] == "{" else "]")
            expected = (_MEMBER if match[token] == "{" else _VALUE) | {_CLOSING}
        elif token == _KEY:
            expected = _VALUE
        elif token == _COMMA:
            expected = _MEMBER if closings[-1] == "}" else _VALUE
        else:
            if token == _CLOSING and closings.pop() != match[token]:
                return False
            expected = _REST if closings else frozenset()
    return not expected
