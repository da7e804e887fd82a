"""The way to PostgreSQL: one pool of connections per process."""

import asyncio
import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias
from weakref import WeakValueDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from aistudio.store.encoding import dumps
from aistudio.store.errors import DatabaseUnavailable

# Without the keep-alives a host that vanished is noticed after two hours.
CONNECTION = {
    "application_name": "aistudio",
    # Else it is the database's own, in which libpq may answer with bytes.
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
NO_URL = "This is not a PostgreSQL URL, which looks like postgresql://user@host/name."
UNENCODED = "In its user and password @, : and / must be percent-encoded, as %40, %3A and %2F."
POOL_SIZE = 10
POOL_OVERFLOW = 20
POOL_WAIT_SECONDS = 10

SESSION = {
    # Nothing this product asks takes long: a statement that does is stuck, and so is who waits for it.
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    # Everything is found by an index, and planning takes longer than executing: plan once, and not for the
    # empty table of the first day.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}


class Database:
    """A pool of connections to one PostgreSQL database.

    Every way in raises `DatabaseUnavailable` when PostgreSQL is away or too slow; a connection that died
    while it lay in the pool is replaced before anybody gets it, so the first call after a restart works.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            connect_args={**_limited(parameters(url)), "prepare_threshold": 0},
            json_serializer=dumps,
            # Parameters are what people wrote: nothing for a log.
            hide_parameters=True,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_WAIT_SECONDS,
            # The connection used last has the statements prepared.
            pool_use_lifo=True,
            use_native_hstore=False,
        )
        event.listen(self._engine.sync_engine, "checkout", _replace_dead)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns = WeakValueDictionary[str, asyncio.Lock]()
        self._repeatable = self._engine.execution_options(isolation_level="REPEATABLE READ")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement is a transaction of its own."""
        with unavailable():
            async with self._autocommit.connect() as connection:
                yield connection

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back when it raises."""
        with unavailable():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction in which every statement sees the same state of the database; for reading."""
        with unavailable():
            async with self._repeatable.begin() as connection:
                yield connection

    def turn(self, row: str) -> asyncio.Lock:
        """A lock for writers of one row: they wait for each other here, with no connection in hand."""
        return self._turns.setdefault(row, asyncio.Lock())

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


Source: TypeAlias = Database | AsyncConnection
"""Where a function works: on a connection of its own, or inside the caller's transaction."""


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[AsyncConnection]:
    """A connection for single statements."""
    if isinstance(source, AsyncConnection):
        yield source
    else:
        async with source.connect() as connection:
            yield connection


@asynccontextmanager
async def writing(source: Source) -> AsyncIterator[AsyncConnection]:
    """A transaction: the caller's when there is one, else a new one."""
    if isinstance(source, AsyncConnection):
        yield source
    else:
        async with source.begin() as connection:
            yield connection


@asynccontextmanager
async def writing_to(source: Source, row: str) -> AsyncIterator[AsyncConnection]:
    """Like `writing`, after waiting for this process's other writers of the same row."""
    if isinstance(source, AsyncConnection):
        yield source
    else:
        async with source.turn(row), source.begin() as connection:
            yield connection


def _replace_dead(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Have the pool make a new connection in place of one that died while it lay there.

    To a connection at rest PostgreSQL says nothing but good-bye: a look at the socket tells, and no use of a
    connection costs a round trip for it.
    """
    driver = connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    if record.info.setdefault("used", False) and (driver.closed or _readable(driver.fileno())):
        raise DisconnectionError
    record.info["used"] = True


def _readable(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn every way in which PostgreSQL can be away into `DatabaseUnavailable`."""
    try:
        yield
    except (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(reason(error)) from error
    except PoolTimeout as error:
        raise DatabaseUnavailable("every connection to PostgreSQL is busy") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(reason(error)) from error
        raise


def reason(error: Exception) -> str:
    """Why, in PostgreSQL's own first line; it names hosts but no password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def parameters(url: str) -> dict[str, str]:
    """libpq's connection parameters; takes postgresql:// with or without SQLAlchemy's driver suffix.

    Raises ValueError.
    """
    scheme, _, rest = url.partition("://")
    try:
        if scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise ValueError(NO_URL)
        # What is a piece of a password here would be a host in libpq's error, or a database.
        authority, _, path = rest.partition("?")[0].partition("/")
        if "@" in path or authority.count("@") > 1:
            raise ValueError(UNENCODED)
        given = conninfo_to_dict(f"postgresql://{rest}")
        if not all(port.isdecimal() for port in str(given.get("port") or 0).split(",") if port):
            raise ValueError(NO_URL)
    except psycopg.ProgrammingError:
        # The original says which part it could not read, and that may be the password.
        raise ValueError(NO_URL) from None
    return CONNECTION | {key: str(value) for key, value in given.items() if value is not None}


def _limited(connect: dict[str, str]) -> dict[str, str]:
    limits = [f"-c {name}={value}" for name, value in SESSION.items()]
    # The last one wins: what the URL itself says.
    return {**connect, "options": " ".join([*limits, connect.get("options", "")]).strip()}
