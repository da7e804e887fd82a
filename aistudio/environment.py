"""The environment of this process: what `.env` adds to it, what cannot be used, what looks misspelt."""

import os
import re
from difflib import get_close_matches

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from aistudio.settings import Settings, settings

# Read by others, for us.
TEMPORAL = ("TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_PROFILE")
REFLEX = ("REFLEX_FRONTEND_PORT", "REFLEX_BACKEND_PORT")

# One wrong, missing or swapped letter in a short name, two or three in a long one.
ALIKE = 0.85
FIELD = re.compile(r'field "(\w+)"')


class UnusableEnvironment(Exception):
    """Variables that cannot be used.

    Attributes:
        faults: one sentence for each, which names it and shows no value.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The environment cannot be used. " + " ".join(faults))
        self.faults = faults


def load_dotenv() -> None:
    """Add what `.env` in the working directory sets; what stands in the environment wins."""
    for name, value in dotenv_values(".env").items():
        if value and not os.environ.get(name):
            os.environ[name] = value


def read() -> Settings:
    """The settings, whose database URL can be parsed; raises UnusableEnvironment with every fault."""
    faults = _faults()
    if faults:
        raise UnusableEnvironment(faults)
    configuration = settings()
    if configuration.database_url is not None:
        # Imported here: with the embedded server there is nothing to check.
        from aistudio.store.database import parameters

        try:
            parameters(configuration.database_url.get_secret_value())
        except ValueError as error:
            raise UnusableEnvironment([f"DATABASE_URL cannot be used. {error}"]) from None
    return configuration


def misspelt() -> dict[str, str]:
    """Variables that are none of ours and look like one of ours that is not set: the name and that one."""
    ours = [*(name.upper() for name in Settings.model_fields), *TEMPORAL, *REFLEX]
    present = {name.upper() for name, value in os.environ.items() if value}
    unset = [name for name in ours if name not in present]
    found = {}
    for name in sorted(present.difference(ours)):
        for alike in get_close_matches(name, unset, n=1, cutoff=ALIKE):
            found[name] = alike
    return found


def _faults() -> list[str]:
    try:
        Settings()
    except ValidationError as error:
        return [f"{_variable(fault['loc'])}: {fault['msg']}." for fault in error.errors()]
    except SettingsError as error:
        # It names the first variable that is no JSON and looks no further: so it is asked without that one.
        found = FIELD.search(str(error))
        name = found[1].upper() if found else ""
        value = os.environ.pop(name, None)
        if value is None:
            return [f"{error}."]
        try:
            return [f"{name}: It must be JSON.", *_faults()]
        finally:
            os.environ[name] = value
    return []


def _variable(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location).upper()
