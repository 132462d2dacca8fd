"""The page at ``/``: a browser becomes a device, sees what arrives and sends a test message."""

from __future__ import annotations

from importlib.resources import files

import falcon

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


class PageResource:
    """One file of the page, read once."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content
        self._content_type = content_type

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer the file."""
        response.content_type = self._content_type
        response.set_headers(_HEADERS)
        response.data = self._content


def page_routes() -> list[tuple[str, PageResource]]:
    """The page's addresses and resources."""
    static = files("onepush_ws") / "static"
    return [
        (path, PageResource((static / name).read_bytes(), content_type))
        for path, (name, content_type) in _FILES.items()
    ]
