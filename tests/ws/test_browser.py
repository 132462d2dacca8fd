"""The page at ``/`` in a real browser, against a real gateway."""

from __future__ import annotations

import pytest

from tests.ws.browser import find_chromium, start_browser

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: chromium)"),
]


@pytest.fixture
def browser(tmp_path):
    """A new browser."""
    with start_browser(tmp_path) as opened:
        yield opened


def connect_page(browser, app, alias):
    """Open the page, make it a device of the app, and wait until it is connected."""
    browser.open(f"{app.url}/")
    browser.fill("appId", app.id)
    browser.fill("alias", alias)
    browser.click("#connect")
    browser.wait_for("document.querySelector('#state').dataset.state === 'on'")


def test_page_shows_confirms_and_sends(browser, app):
    """The browser becomes a device, shows a message, confirms it by button and by itself, and sends one."""
    connect_page(browser, app, "ada")
    first = app.send("ada", alert="<b>first</b>", needConfirm=True, title="Title")
    browser.wait_for("document.querySelectorAll('#messages li').length === 1")
    assert "Title: <b>first</b>" in browser.text("#messages li")
    browser.click("#messages button")
    app.await_counts(first, confirmed=1)

    browser.click("#automatic")
    browser.fill("appKey", app.key)
    browser.fill("audience", "ada")
    browser.fill("alert", "second")
    browser.click("#send button")
    browser.wait_for("document.querySelectorAll('#messages li').length === 2")
    browser.wait_for("document.querySelector('#send-note').textContent.startsWith('Accepted')")
    app.await_counts(browser.text("#send-note").removeprefix("Accepted: "), confirmed=1)
    assert browser.complaints == []


def test_page_reads_close_code(browser, app):
    """A browser can read why it was closed, and does not come back when that is final."""
    connect_page(browser, app, "ada")
    device = app.get("/devices", alias="ada").json()["devices"][0]["deviceId"]
    app.unregister(device)
    browser.wait_for("document.querySelector('#state').dataset.state === 'lost'")
    assert browser.text("#state").startswith("Closed (4404)")


def test_page_reports_bad_app(browser, app):
    """A wrong app id is told to the user."""
    browser.open(f"{app.url}/")
    browser.fill("appId", "nobody")
    browser.click("#connect")
    browser.wait_for("document.querySelector('#device-note').textContent !== ''")
    assert browser.text("#state") == "Not connected"
