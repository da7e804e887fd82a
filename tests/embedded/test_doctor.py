"""`aistudio doctor` beside a studio that runs on the same home."""

from pathlib import Path

from tests.embedded.conftest import Start
from tests.support.examined import examine


def test_the_servers_of_a_running_studio_are_found_and_asked(start: Start, tmp_path: Path) -> None:
    product = start().ready()
    env = {
        "AISTUDIO_HOME": str(product.home),
        "REFLEX_FRONTEND_PORT": str(product.port),
        "REFLEX_BACKEND_PORT": str(product.port),
        "TEMPORAL_NAMESPACE": "of-another-server",
    }
    report = examine(tmp_path, env)
    assert f"in use by the studio that runs as process {product.processes()[0].pid}" in report.texts["Home"]
    assert "used by the studio" in report.texts["Ports"]
    assert report.texts["PostgreSQL"].startswith("version 18")
    assert report.texts["Temporal"] == f"{product.environment['TEMPORAL_ADDRESS']} answers"
    assert report.texts["Namespace"] == "default"
    # The small product neither migrates nor works.
    assert report.named("failed") == {"Schema"}
    assert report.words["Worker"] == "skipped"
