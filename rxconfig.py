"""Reflex's configuration, and the way to the wheel's own Node."""

import os
import subprocess
import sys
from pathlib import Path

import reflex as rx
from reflex.plugins import SitemapPlugin
from reflex_base.environment import environment

from aistudio.embedded.takeover import take_over
from aistudio.ui.bundle import Bundle

VENV_BIN = Path(sys.executable).parent


def prepare_environment() -> None:
    """Let Reflex find the wheel's Node and npm, and ask nobody for mirrors or updates."""
    if str(VENV_BIN) not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([str(VENV_BIN), os.environ["PATH"]])
    os.environ.setdefault("REFLEX_USE_NPM", "1")
    os.environ.setdefault("REFLEX_CHECK_LATEST_VERSION", "false")
    # A commit carries a whole draft at worst: 2 MiB of JSON.
    os.environ.setdefault("REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE", str(4 * 1024 * 1024))
    # reflex.lock/ is committed and must not name the registry that this machine happens to use
    os.environ.setdefault("NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED", "true")
    # A server of a finished build installs nothing, and may have no npm at all
    if "NPM_CONFIG_REGISTRY" not in os.environ and not environment.REFLEX_SKIP_COMPILE.get():
        os.environ["NPM_CONFIG_REGISTRY"] = subprocess.run(
            ["npm", "config", "get", "registry"], capture_output=True, text=True, check=True
        ).stdout.strip()


take_over()
prepare_environment()

config = rx.Config(
    app_name="aistudio",
    telemetry_enabled=False,
    # Only this machine's browsers: a studio without sign-in is nobody else's business.
    backend_host="127.0.0.1",
    show_built_with_reflex=False,
    state_manager_mode="memory",
    plugins=[Bundle()],
    disable_plugins=[SitemapPlugin],
)
