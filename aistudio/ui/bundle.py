"""The frontend bundle: what npm brings, one build for every address, and the page's CSP."""

import base64
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

from reflex.plugins import Plugin

PACKAGES = [
    "@xyflow/react@12.12.1",
    "react-markdown@10.1.0",
    "remark-gfm@4.0.1",
    "sonner@2.0.8",
    "zustand@4.5.7",
]

_DEV_POLICY = """    {
      name: "aistudio-policy",
      configureServer(server) {
        server.middlewares.use((_, response, next) => {
          response.setHeader("Content-Security-Policy", "%s");
          next();
        });
      },
    },
"""

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_BAKED_ORIGIN = re.compile(r"""(["'`])(?P<scheme>https?|wss?)://localhost:\d+(?P<path>/[^"'`]*)\1""")


def content_security_policy(scripts: str, connect: str = "'self'") -> str:
    """The policy for pages whose scripts are `'self'` and `scripts` (hashes, or what a dev server needs)."""
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {scripts}".rstrip(),
            # emotion and React Flow set style attributes and elements at run time
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            f"connect-src {connect}",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def inline_script_hashes(html: str) -> list[str]:
    """The CSP sources ('sha256-…') of the inline scripts of a built page, in order."""
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(html)
    ]


def page_policy(static_dir: Path) -> str:
    """The policy of a built bundle: `'self'` and the inline scripts of its pages."""
    hashes = {
        source
        for page in sorted(static_dir.rglob("*.html"))
        for source in inline_script_hashes(page.read_text())
    }
    return content_security_policy(" ".join(sorted(hashes)))


def _with_policy(vite_config: str) -> str:
    """vite.config.js whose dev server sends the policy too; vite and React Refresh need inline scripts."""
    origins = "http://localhost:* ws://localhost:* http://127.0.0.1:* ws://127.0.0.1:*"
    policy = content_security_policy("'unsafe-inline'", connect=f"'self' {origins}")
    return vite_config.replace("  plugins: [\n", "  plugins: [\n" + _DEV_POLICY % policy, 1)


class Bundle(Plugin):
    """Brings the canvas's packages and makes one build work on any host, port and scheme."""

    def get_frontend_dependencies(self, **context: Any) -> list[str]:
        """The npm packages of the local JSX modules, pinned."""
        return PACKAGES

    def pre_compile(self, **context: Any) -> None:
        """Let the dev server send the same policy as production, as far as its tools allow."""
        context["add_modify_task"]("vite.config.js", _with_policy)

    def post_build(self, **context: Any) -> None:
        """Replace the baked backend address by the page's own origin; publish no sources."""
        static_dir: Path = context["static_dir"]
        shutil.rmtree(static_dir / "client", ignore_errors=True)
        for script in static_dir.glob("assets/reflex-env-*.js"):
            script.write_text(_BAKED_ORIGIN.sub(_own_origin, script.read_text()))
            script.with_suffix(".js.gz").unlink(missing_ok=True)


def _own_origin(match: re.Match[str]) -> str:
    scheme, path = match["scheme"], match["path"]
    origin = 'location.origin.replace(/^http/,"ws")' if scheme.startswith("ws") else "location.origin"
    return f'({origin}+"{path}")'
