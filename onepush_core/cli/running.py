"""What a running gateway says of its plugins: only there is it known how they have started."""

from __future__ import annotations

from typing import Any

from onepush_core.settings_sources import listen_address

PATIENCE = (1.0, 6.0)  # seconds to connect, and for the answer, which waits for a commit and a dispatch
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what a gateway listens on, and where it is reached


def running_plugins(bind: str) -> dict[str, dict[str, Any]] | None:
    """State and reason of each plugin by name; None when no gateway answers at ``server.bind``."""
    import requests

    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(_address(bind), timeout=PATIENCE, allow_redirects=False).json()
    except (requests.RequestException, ValueError):
        return None
    plugins = answer.get("plugins") if isinstance(answer, dict) else None
    return plugins if isinstance(plugins, dict) and _fit(plugins) else None


def _address(bind: str) -> str:
    host, port = listen_address(bind)
    host = EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/health/ready"


def _fit(plugins: dict[str, Any]) -> bool:
    """True for what a gateway answers; somebody else may listen there."""
    return all(isinstance(one, dict) and isinstance(one.get("state"), str) for one in plugins.values())
