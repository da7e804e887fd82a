"""What kind of PostgreSQL a URL leads to."""

from dataclasses import dataclass

from sqlalchemy import text

from aistudio.store.database import Database

# The oldest that PostgreSQL's own makers still mend.
OLDEST = 15
ENCODING = "UTF8"

FACTS = text("""
    SELECT current_setting('server_version') AS version,
           current_setting('server_version_num')::int / 10000 AS major,
           current_setting('server_encoding') AS encoding,
           current_setting('transaction_read_only') = 'on' AS read_only,
           coalesce(has_schema_privilege(current_schema()::text, 'CREATE'), false) AS may_create
""")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL server and one of its databases.

    Attributes:
        version: in the server's own words.
        major: 18 for 18.4.
        encoding: of the database, as `UTF8`.
        read_only: whether it refuses every write, as a standby does.
        may_create: whether this user may create tables, which migrations do.
    """

    version: str
    major: int
    encoding: str
    read_only: bool
    may_create: bool


async def inspect(database: Database) -> Server:
    """Ask the server about itself. Raises DatabaseUnavailable, in whose text PostgreSQL says why."""
    async with database.connect() as connection:
        return Server(**(await connection.execute(FACTS)).mappings().one())
