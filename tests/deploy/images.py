"""The images that deploy/ names: the real ones where a registry answers, else stand-ins made of Debian."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tests.deploy.engine import Engine
from tests.support.supervised import ROOT

STAND_INS = Path(__file__).parent / "standins"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
DEBIAN = "trixie"
PULL_SECONDS = 240
# By repository: which target of standins/Dockerfile stands in.
TARGETS = {
    "python": "python",
    "nginx": "nginx",
    "postgres": "postgres",
    "redis": "redis",
    "temporalio/admin-tools": "temporal-tools",
    "temporalio/server": "temporal-server",
}


def named() -> list[str]:
    """Every image the deployment is made of, as REPOSITORY:TAG; without Temporal's own page."""
    compose = (ROOT / "deploy" / "compose" / "compose.yaml").read_text()
    found = re.findall(r"^ARG \w+_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    found += re.findall(r"^ +image: ([^$\s]+)$", compose, re.MULTILINE)
    return sorted({image for image in found if image.split(":")[0] in TARGETS})


def provide(engine: Engine, directory: Path) -> dict[str, str]:
    """Make every named image present in the engine; answers for each whether it is `real` or a `stand-in`."""
    images = named()
    if _registry_answers(engine):
        for image in images:
            engine.docker("pull", "-q", image, timeout=PULL_SECONDS)
        return dict.fromkeys(images, "real")
    assert engine.own, (
        "The engine that runs here reaches no registry, and stand-ins would take the place of real images "
        "in it. Stop it, and the tests start one of their own."
    )
    _build(engine, images, directory)
    return dict.fromkeys(images, "stand-in")


def _registry_answers(engine: Engine) -> bool:
    # The smallest of them; where there is no registry, there is no waiting for it either.
    try:
        return engine.attempt(["docker", "pull", "-q", "redis:8.2.1-alpine"], timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _build(engine: Engine, images: list[str], directory: Path) -> None:
    root, context = directory / "debian", directory / "context"
    engine.run(["debootstrap", "--variant=minbase", DEBIAN, str(root), _mirror()])
    engine.run(["sh", "-c", f"tar -C '{root}' -c . | docker import - debian"])
    shutil.rmtree(root)
    shutil.copytree(STAND_INS, context)
    shutil.copy(CERTIFICATES, context)
    shutil.copy(Path(sysconfig.get_path("scripts")) / "temporal", context)
    for image in images:
        target = TARGETS[image.split(":")[0]]
        engine.docker("build", "-q", "--target", target, "--tag", image, str(context))


def _mirror() -> str:
    """The mirror of Debian that this machine itself uses."""
    sources = [*Path("/etc/apt").glob("*.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for source in sources:
        if found := re.search(r"https?://\S+/debian\b(?!-)", source.read_text()):
            return found[0]
    raise AssertionError("no Debian mirror in this machine's apt sources")
