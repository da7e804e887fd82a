"""Streaming text: what is kept of it, and how it is cut for NOTIFY."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text as sql

from aistudio.graph.events import EventType
from aistudio.store import deltas, events, notices
from aistudio.store.database import Database
from tests.store.making import complete, of_node, started

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
COUNT = sql("SELECT count(*) FROM delta_chunks")


async def chunks(database: Database) -> int:
    async with database.connect() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


@given(
    st.text(st.characters(codec=None, categories=None) | st.sampled_from('\0\ud83d\ude00😀\\"')),
    st.integers(1, 9_000),
)
def test_every_piece_fits_and_together_they_are_the_text(unit: str, times: int) -> None:
    text = (unit * times)[:30_000]
    pieces = notices.deltas(ID, "node\0" * 40, 1, 7, text)
    offset = 7
    for delta, payload in pieces:
        assert len(payload.encode()) < 8_000
        assert "\0" not in payload
        assert notices.address(payload) == ID
        assert notices.parse(payload) == delta
        assert delta.offset == offset
        offset += len(delta.text)
    assert "".join(delta.text for delta, _ in pieces) == text


async def test_text_grows_until_its_node_completes(database: Database, run_id: str) -> None:
    await events.append(database, run_id, [started("a\0"), started("b")])
    await deltas.append(database, run_id, "a\0", 1, 0, "Hé\0")
    await deltas.append(database, run_id, "a\0", 1, 3, "\ud800😀")
    await deltas.append(database, run_id, "b", 1, 0, "other")
    assert await deltas.texts(database, run_id) == {"a\0": (1, "Hé\0\ud800😀"), "b": (1, "other")}
    await complete(database, run_id, "a\0")
    assert await deltas.texts(database, run_id) == {"b": (1, "other")}
    assert await chunks(database) == 1


async def test_long_text_is_kept_whole(database: Database, run_id: str) -> None:
    text = "é\0😀\\" * 20_000
    await deltas.append(database, run_id, "a", 1, 0, text)
    assert await deltas.texts(database, run_id) == {"a": (1, text)}


async def test_a_higher_attempt_begins_anew(database: Database, run_id: str) -> None:
    await deltas.append(database, run_id, "a", 1, 0, "first")
    await deltas.append(database, run_id, "a", 2, 0, "se")
    await deltas.append(database, run_id, "a", 1, 5, " late")
    await deltas.append(database, run_id, "a", 2, 2, "cond")
    assert await deltas.texts(database, run_id) == {"a": (2, "second")}


async def test_after_a_lost_piece_the_text_stops_until_it_is_sent_again(
    database: Database, run_id: str
) -> None:
    await deltas.append(database, run_id, "a", 1, 0, "one ")
    await deltas.append(database, run_id, "a", 1, 8, "three ")
    assert await deltas.texts(database, run_id) == {"a": (1, "one ")}
    await deltas.append(database, run_id, "a", 1, 0, "one two three four")
    assert await deltas.texts(database, run_id) == {"a": (1, "one two three four")}
    await deltas.append(database, run_id, "a", 1, 18, "!")
    assert await deltas.texts(database, run_id) == {"a": (1, "one two three four!")}


async def test_a_piece_tells_whether_the_one_before_it_is_still_kept(database: Database, run_id: str) -> None:
    async def append(offset: int, text: str, follows: int | None) -> bool:
        return await deltas.append(database, run_id, "a\\", 1, offset, text, follows=follows)

    assert await append(0, "é\\\0", None)
    assert await append(3, "x" * 20_000, 0)
    assert await append(20_003, "!", 3)
    async with database.connect() as connection:
        await connection.execute(sql('DELETE FROM delta_chunks WHERE "offset" >= 3'))
    assert not await append(20_004, "?", 20_003)
    assert await append(0, "all of it", None)
    assert await append(9, ".", 0)
    assert await deltas.texts(database, run_id) == {"a\\": (1, "all of it.")}


async def test_late_text_is_not_kept(database: Database, run_id: str) -> None:
    await complete(database, run_id, "a")
    await deltas.append(database, run_id, "a", 1, 0, "late")
    await deltas.append(database, run_id, "b", 1, 0, "")
    await deltas.append(database, "no id", "b", 1, 0, "lost")
    assert await chunks(database) == 0
    await events.append(database, run_id, [started("b")])
    await deltas.append(database, run_id, "b", 1, 0, "half")
    await events.finish(database, run_id, EventType.EXECUTION_CANCELLED)
    await deltas.append(database, run_id, "b", 1, 4, " more")
    assert await deltas.texts(database, run_id) == {"b": (1, "half")}


async def test_a_failed_node_keeps_what_it_had_said(database: Database, run_id: str) -> None:
    await deltas.append(database, run_id, "a", 1, 0, "half")
    await events.append(database, run_id, [of_node(EventType.NODE_FAILED, "a")])
    assert await deltas.texts(database, run_id) == {"a": (1, "half")}


async def test_chunks_do_not_wait_for_the_disk_and_events_do(database: Database, run_id: str) -> None:
    """The setting ends with the statement: the connection goes back to the pool as it was."""
    await deltas.append(database, run_id, "a", 1, 0, "x")
    async with database.connect() as connection:
        assert (await connection.execute(sql("SHOW synchronous_commit"))).scalar_one() == "on"


def test_a_notice_of_a_large_event_says_up_to_where_to_read() -> None:
    assert notices.parse(f"{ID} 12") == notices.Gap(sequence=12)
