"""The page at ``/`` as files; the browser test is in tests/journey."""

from __future__ import annotations

import urllib.request

import pytest


def fetch(server, path):
    """(headers, text) of one of the page's files."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
        return answer.headers, answer.read().decode()


@pytest.mark.parametrize(("path", "kind"), [("/", "html"), ("/page.js", "javascript"), ("/page.css", "css")])
def test_page_has_strict_policy(server, path, kind):
    """Only own files, nothing inline, no frames."""
    headers, text = fetch(server, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert kind in headers["Content-Type"]
    assert text


def test_page_has_nothing_inline(server):
    """No inline script or style, nothing from elsewhere."""
    _, text = fetch(server, "/")
    assert "<style" not in text
    assert " style=" not in text
    assert " on" + "click" not in text
    assert "//" not in text.replace("<!doctype html>", "")


def test_page_can_be_switched_off(start_server):
    """With ``page = false`` there is no page."""
    server = start_server(page=False)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(server, "/")
