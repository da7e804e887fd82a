"""What is wrong with PostgreSQL, and with what is in it."""

import asyncio
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from aistudio.doctor.case import Case
from aistudio.doctor.examination import Finding, failed, ok, warning
from aistudio.embedded.postgres import installed
from aistudio.embedded.processes import EmbeddedError, run_unprivileged
from aistudio.store import server
from aistudio.store.database import Database, reason
from aistudio.store.errors import DatabaseUnavailable
from aistudio.store.migrations import SchemaState, schema_state

# By a piece of what PostgreSQL or its library says; the first that fits counts.
REMEDIES = {
    "password": "Put the right user and password into DATABASE_URL.",
    "role ": "Put a user that exists into DATABASE_URL.",
    "database ": "Create that database, as in `createdb NAME`, or name another in DATABASE_URL.",
    "pg_hba": "Let the server's pg_hba.conf admit this host and user.",
    "SSL": "Set sslmode in DATABASE_URL to what the server speaks, as in ?sslmode=require.",
    "resolve": "Check the host in DATABASE_URL.",
}


async def postgresql(case: Case) -> Finding:
    """Whether PostgreSQL lets us in, and is one we can use."""
    if case.settings.database_url is None:
        return await asyncio.to_thread(_embedded, case)
    database = Database(case.settings.database_url.get_secret_value())
    try:
        found = await server.inspect(database)
    except DatabaseUnavailable as error:
        text = str(error).removeprefix("connection failed: ")
        return failed(text, _remedy(text))
    finally:
        await database.close()
    if found.major < server.OLDEST:
        text = f"version {found.version} is too old"
        return failed(text, f"Upgrade it to version {server.OLDEST} or newer.")
    if found.encoding != server.ENCODING:
        text = f"the database's encoding is {found.encoding}, which cannot hold every text"
        return failed(text, "Create one with `createdb --encoding=UTF8 --template=template0`.")
    if found.read_only:
        text = "the database takes no writes, so it may be a standby"
        return failed(text, "Name the primary server in DATABASE_URL.")
    return ok(f"version {found.version}, {found.encoding}")


async def schema(case: Case) -> Finding | None:
    """Whether the tables are those of this version."""
    if case.settings.database_url is None:
        return None
    database = Database(case.settings.database_url.get_secret_value())
    try:
        state = await schema_state(database)
        if state is SchemaState.CURRENT:
            return ok("up to date")
        if state is SchemaState.NEWER:
            text = "made by a newer version of AI Studio than this one"
            return warning(text, "Upgrade this one; until then it works as far as both agree.")
        text = "missing" if state is SchemaState.MISSING else "older than this version of AI Studio"
        if not (await server.inspect(database)).may_create:
            remedy = "Let the database's owner run `GRANT CREATE ON SCHEMA public TO` this user."
            return failed(f"{text}, and this user may not create tables", remedy)
        return failed(text, "Run `aistudio migrate`; the web process also does that at its start.")
    except DatabaseUnavailable as error:
        return failed(str(error), "Look at PostgreSQL's log, and try again.")
    except DBAPIError as error:
        return failed(f"PostgreSQL says: {reason(error)}", "Give the user in DATABASE_URL that right.")
    finally:
        await database.close()


def _remedy(text: str) -> str:
    for part, remedy in REMEDIES.items():
        if part in text:
            return remedy
    return "Start PostgreSQL, or check host and port in DATABASE_URL."


def _embedded(case: Case) -> Finding:
    try:
        # Really run: a library may be missing, or the way to give up root.
        run_unprivileged([str(installed() / "postgres"), "--version"], cwd=Path("/"))
    except EmbeddedError as error:
        return failed(str(error))
    return ok(case.embedded)
