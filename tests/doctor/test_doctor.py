"""`aistudio doctor` in environments that are well, and in ones that are broken in one way or several."""

import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from reflex_base.environment import environment

from aistudio.embedded.postgres import Postgres
from aistudio.store import migrations
from tests.conftest import FAST
from tests.support.examined import examine
from tests.support.model_server import ModelServer
from tests.support.supervised import Supervised, aistudio, free_port

PASSWORD = "right-and-secret"
KEY = "a-key-that-nobody-may-see"
# As in a production image: no page is built, so neither Node nor ports are looked at.
DEPLOYED = {environment.REFLEX_SKIP_COMPILE.name: "true"}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL, with NAME for the database's name, of a server that asks for passwords.

    It has the databases `whole`, `empty`, `newer`, `ascii` and `closed`.
    """
    directory = tmp_path_factory.mktemp("strict")
    admission = directory / "pg_hba.conf"
    admission.write_text("local all aistudio trust\nlocal all all scram-sha-256\n")
    server = Postgres(directory, {**FAST, "hba_file": str(admission)})
    server.start()
    try:
        socket_directory = str(conninfo_to_dict(server.url)["host"]).replace("/", "%2F")
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE member LOGIN PASSWORD '{PASSWORD}'")
            for name in ("whole", "empty", "newer"):
                admin.execute(f"CREATE DATABASE {name} OWNER member")
            admin.execute("CREATE DATABASE closed")
            admin.execute(
                "CREATE DATABASE ascii OWNER member TEMPLATE template0 ENCODING 'SQL_ASCII' "
                "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
            )
        url = f"postgresql://member:{PASSWORD}@/NAME?host={socket_directory}"
        for name in ("whole", "newer"):
            migrations.upgrade(url.replace("NAME", name))
        with psycopg.connect(url.replace("NAME", "newer")) as newer:
            newer.execute("UPDATE alembic_version SET version_num = 'of-tomorrow'")
        yield url
    finally:
        server.stop()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ModelServer]:
    """A model endpoint that knows one key."""
    with ModelServer(accepted_key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def namespace(temporal_address: str) -> str:
    """A namespace in which no other test's worker has ever asked for work."""
    temporal = Path(sysconfig.get_path("scripts")) / "temporal"
    at = ["--namespace", "examined", "--address", temporal_address]
    subprocess.run([temporal, "operator", "namespace", "create", *at], check=True, capture_output=True)
    # The server knows it everywhere only after its next look into its database.
    deadline = time.monotonic() + 30
    while subprocess.run([temporal, "workflow", "list", *at], check=False, capture_output=True).returncode:
        assert time.monotonic() < deadline, "the namespace does not come up"
        time.sleep(0.2)
    return "examined"


def test_a_deployed_environment_is_well_once_a_worker_asks_for_work(
    databases: str,
    temporal_address: str,
    namespace: str,
    redis_url: str,
    endpoint: ModelServer,
    tmp_path: Path,
) -> None:
    env = {
        **DEPLOYED,
        "DATABASE_URL": databases.replace("NAME", "whole"),
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": namespace,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": endpoint.base_url,
        "REDIS_URL": redis_url,
    }
    before = examine(tmp_path, env)
    assert (before.code, before.named("failed")) == (1, {"Worker"})
    assert "Start one with `aistudio worker`" in before.texts["Worker"]
    worker = Supervised(aistudio("worker"), tmp_path / "home", tmp_path / "worker.log", env)
    try:
        worker.wait_for(lambda: examine(tmp_path, env).code == 0, 30, "worker that asks for work")
        after = examine(tmp_path, env)
    finally:
        worker.end()
    assert set(after.words.values()) == {"ok"}
    # Neither ports nor a home: nothing is started here.
    looked_at = ["Python", "Variables", "Node", "PostgreSQL", "Schema", "Temporal", "Namespace", "Worker"]
    assert list(after.words) == list(before.words) == [*looked_at, "Redis", "Model"]
    assert "accepts the key in OPENAI_API_KEY" in after.texts["Model"]
    assert endpoint.calls == [], "asking about the key costs nothing"
    for report in (before, after):
        assert PASSWORD not in report.output
        assert KEY not in report.output
        assert "\x1b" not in report.output, "no colours where no terminal is"
    assert list(tmp_path.iterdir()) == [tmp_path / "worker.log"], "the doctor only looks"


def test_a_laptop_before_the_first_start_is_well_and_a_slip_in_dotenv_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OPENROUTER_APIKEY={KEY}\nSOMETHING_ELSE=1\nAI_MODEL=some/model\n")
    front, back = free_port(), free_port()
    env = {"REFLEX_FRONTEND_PORT": str(front), "REFLEX_BACKEND_PORT": str(back)}
    report = examine(tmp_path, env)
    assert (report.code, report.named("warning")) == (0, {"Variables"})
    assert "OPENROUTER_APIKEY is not read, OPENROUTER_API_KEY would be" in report.texts["Variables"]
    assert "SOMETHING_ELSE" not in report.output
    assert KEY not in report.output
    assert "`make run` starts it" in report.texts["PostgreSQL"]
    assert "`make run` starts it" in report.texts["Temporal"]
    assert "every answer is simulated" in report.texts["Model"]
    assert str(tmp_path / ".aistudio") in report.texts["Home"]
    assert str(front) in report.texts["Ports"]
    assert "npm" in report.texts["Node"]
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize(
    ("change", "check", "says", "mends"),
    [
        (("NAME", "missing"), "PostgreSQL", '"missing" does not exist', "createdb"),
        (
            (PASSWORD, "wrong-and-secret"),
            "PostgreSQL",
            "password authentication failed",
            "the right user and password",
        ),
        (("NAME", "ascii"), "PostgreSQL", "SQL_ASCII", "--encoding=UTF8"),
        (("NAME", "empty"), "Schema", "missing", "aistudio migrate"),
        (("NAME", "closed"), "Schema", "may not create tables", "GRANT CREATE"),
    ],
)
def test_what_is_wrong_with_the_database_is_said_with_the_next_step(
    databases: str, tmp_path: Path, change: tuple[str, str], check: str, says: str, mends: str
) -> None:
    url = databases.replace(*change).replace("NAME", "whole")
    report = examine(tmp_path, {**DEPLOYED, "DATABASE_URL": url})
    assert (report.code, report.named("failed")) == (1, {check})
    assert says in report.texts[check]
    assert mends in report.texts[check]
    assert "-and-secret" not in report.output
    if check == "PostgreSQL":
        assert "because PostgreSQL is not well" in report.texts["Schema"]


def test_a_schema_of_a_newer_version_is_a_warning(databases: str, tmp_path: Path) -> None:
    # Latin-1 has no ✓: such a terminal gets a question mark, and the word.
    env = {**DEPLOYED, "DATABASE_URL": databases.replace("NAME", "newer"), "PYTHONIOENCODING": "latin-1"}
    report = examine(tmp_path, env)
    assert "? ok       PostgreSQL" in report.output
    assert (report.code, report.words["Schema"]) == (0, "warning")


def test_everything_that_is_away_is_named_at_once_and_what_hangs_on_it_is_not(tmp_path: Path) -> None:
    closed = free_port()
    env = {
        **DEPLOYED,
        "DATABASE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:{closed}/studio",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{closed}",
        "OPENROUTER_API_KEY": KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{closed}/v1",
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{closed}",
    }
    report = examine(tmp_path, env)
    assert report.code == 1
    assert report.named("failed") == {"PostgreSQL", "Temporal", "Redis", "Model"}
    assert report.named("skipped") == {"Schema", "Namespace", "Worker"}
    for name in report.named("failed"):
        assert f"127.0.0.1:{closed}" in report.texts[name].replace('127.0.0.1", port ', "127.0.0.1:")
    assert "Start PostgreSQL" in report.texts["PostgreSQL"]
    assert "check TEMPORAL_ADDRESS" in report.texts["Temporal"]
    assert PASSWORD not in report.output
    assert KEY not in report.output


def test_whoever_takes_connections_and_says_nothing_is_waited_for_a_few_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        env = {
            **DEPLOYED,
            "DATABASE_URL": f"postgresql://me:{PASSWORD}@{address}/studio",
            "TEMPORAL_ADDRESS": address,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"http://{address}/v1",
        }
        report = examine(tmp_path, env)
    assert report.named("failed") == {"PostgreSQL", "Temporal", "Model"}
    assert "no answer within 8 seconds" in report.texts["Model"]


def test_a_namespace_and_a_key_that_nobody_knows(
    temporal_address: str, endpoint: ModelServer, tmp_path: Path
) -> None:
    env = {
        **DEPLOYED,
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": "nowhere",
        "OPENROUTER_API_KEY": "another-key-to-hide",
        "OPENAI_BASE_URL": endpoint.base_url,
    }
    report = examine(tmp_path, env)
    assert report.named("failed") == {"Namespace", "Model"}
    assert "nowhere does not exist" in report.texts["Namespace"]
    assert "namespace create -n nowhere" in report.texts["Namespace"]
    assert "The key in OPENROUTER_API_KEY is not accepted" in report.texts["Model"]
    assert "another-key-to-hide" not in report.output


def test_every_variable_that_cannot_be_used_is_named_and_nothing_is_guessed(tmp_path: Path) -> None:
    env = {"AI_PRICES": "cheap", "GLOBAL_VARIABLES": "{", "LOG_FORMAT": "xml", "OPENAI_API_KEY": KEY}
    report = examine(tmp_path, env)
    assert (report.code, report.named("failed")) == (1, {"Variables"})
    assert all(name in report.texts["Variables"] for name in ("AI_PRICES", "GLOBAL_VARIABLES", "LOG_FORMAT"))
    assert report.named("ok") == {"Python"}
    assert report.words["Worker"] == "skipped"


def test_a_password_that_is_not_encoded_is_told_of_and_not_shown(tmp_path: Path) -> None:
    report = examine(tmp_path, {"DATABASE_URL": "postgresql://me:very/se@cret@host/name"})
    assert "DATABASE_URL cannot be used" in report.texts["Variables"]
    assert "percent-encoded" in report.texts["Variables"]
    assert "cret" not in report.output


def test_a_taken_port_and_a_home_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {
            "REFLEX_FRONTEND_PORT": port,
            "REFLEX_BACKEND_PORT": "80000",
            "AISTUDIO_HOME": str(tmp_path / "file" / "home"),
        }
        report = examine(tmp_path, env)
    assert {"Home", "Ports"} <= report.named("failed")
    assert f"Port {port} is taken by another program. There is no port 80000." in report.texts["Ports"]
    assert "REFLEX_FRONTEND_PORT=" in report.texts["Ports"]
    assert "AISTUDIO_HOME" in report.texts["Home"]
