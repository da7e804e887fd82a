"""What the doctor looks at: the settings, and the studio that may be running on them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from aistudio import environment
from aistudio.embedded.home import Home
from aistudio.embedded.web import environment_on
from aistudio.environment import UnusableEnvironment
from aistudio.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is looked at.

    Attributes:
        settings: of this process, and where they name no server, of the studio that runs on their home.
        faults: why the environment gives no settings; `settings` are then the defaults.
        home: the directory of the embedded servers.
        owner: the process id of the studio that runs there, or null.
    """

    settings: Settings
    faults: Sequence[str]
    home: Home
    owner: str | None

    @property
    def embedded(self) -> str:
        """What there is to say of an embedded server that cannot be asked."""
        if self.owner:
            return f"embedded, and looked after by process {self.owner}"
        return "embedded; it does not run, and `make run` starts it"


def take_case() -> Case:
    """The environment, and what a studio that runs on the same home adds to it: its embedded servers."""
    try:
        settings = environment.read()
    except UnusableEnvironment as error:
        settings, faults = Settings.model_construct(), error.faults
        return Case(settings=settings, faults=faults, home=Home(settings.aistudio_home), owner=None)
    home = Home(settings.aistudio_home)
    owner = home.owner()
    theirs = environment_on(home.directory) if owner else {}
    if settings.database_url is None and "DATABASE_URL" in theirs:
        os.environ["DATABASE_URL"] = theirs["DATABASE_URL"]
    if settings.temporal_address is None and "TEMPORAL_ADDRESS" in theirs:
        # Its namespace and keys as well, which are none where the server is embedded.
        for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
            del os.environ[name]
        for name, value in theirs.items():
            if name.startswith("TEMPORAL_") or name == "AISTUDIO_RUN_WORKER":
                os.environ[name] = value
    return Case(settings=Settings(), faults=(), home=home, owner=owner)
