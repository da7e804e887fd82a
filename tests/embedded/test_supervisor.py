"""The process above everything: what dies comes back, what ends leaves nothing, what is taken is said."""

import os
import signal
import socket
from contextlib import suppress

import psutil
import psycopg
import pytest

from tests.embedded.conftest import Start
from tests.support.supervised import alive

BACK_WITHIN = 15


def test_the_web_process_learns_where_the_servers_are(start: Start) -> None:
    product = start().ready()
    assert product.environment["AISTUDIO_RUN_WORKER"] == "1"
    assert product.database_answers()
    assert product.temporal_answers()


def test_what_the_environment_names_is_not_started(start: Start) -> None:
    named = {
        "DATABASE_URL": "postgresql://elsewhere/db",
        "TEMPORAL_ADDRESS": "elsewhere:7233",
        "TEMPORAL_NAMESPACE": "mine",
    }
    product = start(**named).ready()
    assert product.environment == {**named, "TEMPORAL_CONFIG_FILE": None, "AISTUDIO_RUN_WORKER": None}
    assert {process.name() for process in product.processes()}.isdisjoint({"postgres", "temporal"})


def test_the_worker_can_be_kept_out_of_the_web_process(start: Start) -> None:
    assert start(AISTUDIO_RUN_WORKER="0").ready().environment["AISTUDIO_RUN_WORKER"] == "0"


def test_a_cloud_profile_does_not_reach_the_embedded_temporal(start: Start) -> None:
    profile = {"TEMPORAL_NAMESPACE": "mine.cloud", "TEMPORAL_PROFILE": "gone", "TEMPORAL_TLS": "true"}
    product = start(**profile).ready()
    assert product.environment["TEMPORAL_NAMESPACE"] is None
    assert product.environment["TEMPORAL_CONFIG_FILE"] == os.devnull
    assert product.temporal_answers()


@pytest.mark.parametrize("victims", ["the postmaster", "all of PostgreSQL"])
def test_a_killed_postgresql_comes_back_at_the_same_place_with_its_data(start: Start, victims: str) -> None:
    product = start().ready()
    url = str(product.environment["DATABASE_URL"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postmaster = product.find("postgres")
    children = postmaster.children() if victims == "all of PostgreSQL" else []
    for process in [postmaster, *children]:
        process.kill()
    product.wait_for(lambda: not alive(postmaster) and product.database_answers(), BACK_WITHIN, "PostgreSQL")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert "PostgreSQL stopped unexpectedly and is started again" in product.output


def test_a_killed_temporal_comes_back_at_the_same_place(start: Start) -> None:
    product = start().ready()
    victim = product.find("temporal")
    victim.kill()
    product.wait_for(lambda: not alive(victim) and product.temporal_answers(), BACK_WITHIN, "Temporal")


def test_a_killed_web_process_comes_back_and_its_children_do_not_pile_up(start: Start) -> None:
    product = start().ready()
    victim = product.find("small_product")
    child = victim.children()[0]
    victim.kill()
    product.wait_for(lambda: not alive(child), BACK_WITHIN, "end of the orphan")
    product.wait_for_port(product.port, BACK_WITHIN)


def test_a_restart_that_fails_is_tried_again(start: Start) -> None:
    product = start().ready()
    product.wait_for(lambda: "Ready at" in product.output, BACK_WITHIN, "the first answer")
    fails = product.log.with_suffix(".fails")
    fails.touch()
    product.find("small_product").kill()
    product.wait_for(lambda: not fails.exists(), BACK_WITHIN, "the restart that fails")
    product.wait_for_port(product.port, BACK_WITHIN)


@pytest.mark.parametrize("ending", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_ending_leaves_no_process_behind(start: Start, ending: str) -> None:
    product = start().ready()
    processes = product.processes()
    assert len(processes) > 8, "the web process, its child, Temporal, PostgreSQL and its helpers"
    if ending == "Ctrl-C":
        product.interrupt()
    else:
        product.terminate(signal.Signals[ending])
    assert product.wait() == 0
    product.expect_nothing_left(processes)
    assert "Traceback" not in product.output


def test_servers_do_not_outlive_a_supervisor_that_was_killed(start: Start) -> None:
    product = start().ready()
    processes = product.processes()
    product.kill_group()
    psutil.wait_procs(processes, timeout=10)
    product.expect_nothing_left(processes)


def test_data_outlives_a_kill_of_everything(start: Start) -> None:
    first = start().ready()
    with psycopg.connect(str(first.environment["DATABASE_URL"]), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for process in first.processes():
        # Some die with those before them.
        with suppress(psutil.NoSuchProcess):
            process.kill()
    first.wait()
    second = start().ready()
    with psycopg.connect(str(second.environment["DATABASE_URL"])) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_start_clears_away_what_a_killed_supervisor_left(start: Start) -> None:
    first = start().ready()
    postmaster, orphan = first.find("postgres"), first.find("small_product").children()[0]
    # Stopped, so that they cannot follow the signal that the kernel sends them when their parent dies.
    for process in (postmaster, orphan):
        process.suspend()
    first.kill_group()
    assert alive(postmaster)
    second = start(port=first.port).ready()
    assert second.database_answers()
    assert not alive(postmaster)
    assert not alive(orphan)


def test_a_taken_port_is_a_sentence_and_nothing_is_started(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        product = start(port=port)
        assert product.wait() == 1
    assert (
        product.output == f"Error: Port {port} is taken by another program. Stop it, or say PORT={port + 1}\n"
    )
    assert not (product.home / "postgres").exists()


def test_a_second_start_on_the_same_home_is_a_sentence(start: Start) -> None:
    first = start().ready()
    second = start()
    assert second.wait() == 1
    assert second.output.startswith(f"Error: AI Studio (process {first.processes()[0].pid}) already runs on ")
    assert "AISTUDIO_HOME" in second.output
    assert first.database_answers()


def test_two_homes_do_not_disturb_each_other(start: Start) -> None:
    one, other = start(home="one"), start(home="other")
    one.ready(), other.ready()
    with psycopg.connect(str(one.environment["DATABASE_URL"]), autocommit=True) as connection:
        connection.execute("CREATE TABLE mine ()")
    with psycopg.connect(str(other.environment["DATABASE_URL"])) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
    one.interrupt()
    assert one.wait() == 0
    assert other.database_answers()
    assert other.temporal_answers()


def test_a_home_too_deep_for_a_socket_works(start: Start) -> None:
    product = start(home="/".join(["deep" * 10] * 4)).ready()
    assert product.database_answers()
    with psycopg.connect(str(product.environment["DATABASE_URL"])) as connection:
        socket_directory = connection.info.host
    product.interrupt()
    product.wait()
    assert not psutil.os.path.exists(socket_directory)


def test_postgresql_listens_on_no_network_address_and_lets_nobody_else_in(start: Start) -> None:
    product = start().ready()
    postmaster = product.find("postgres")
    assert postmaster.net_connections(kind="inet") == []
    with psycopg.connect(str(product.environment["DATABASE_URL"])) as connection:
        directory = connection.execute("SHOW unix_socket_directories").fetchone()
    assert directory is not None
    assert psutil.os.stat(directory[0]).st_mode & 0o077 == 0


def test_a_program_that_fails_at_once_ends_everything_with_its_exit_code(start: Start) -> None:
    product = start(PYTHONHOME="/nonexistent")
    assert product.wait() != 0
