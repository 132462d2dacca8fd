"""The table of codes in docs/http-api.md against the code."""

import inspect
from pathlib import Path

import pytest
from falcon.testing import TestClient

from onepush_core import errors
from onepush_core.api import create_app, mount
from tests.core.api_doubles import RecordingGateway, error

TABLE = Path(__file__).parents[2] / "docs" / "http-api.md"
FRAMEWORK = {40000, 40400, 40500}

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.OnepushError)
]


def documented():
    """The codes of the table, in its order."""
    rows = [line.split("|")[1].strip() for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    return [int(row) for row in rows if row.isdecimal()]


def test_table_lists_every_code():
    """The table has each code of the code once, in order, and no other."""
    assert documented() == sorted({found.code for found in CLASSES} | FRAMEWORK)


def test_codes_are_unique_and_extend_status():
    """No two errors share a code, and each begins with a status that fits."""
    codes = [found.code for found in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(400 <= code // 100 <= 599 for code in codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_api_answers_each_error(kind):
    """Every error of ours comes out with its status, code and text."""
    raised = kind("x", "y") if kind is errors.InvalidField else kind()

    class Page:
        def on_get(self, req, resp):
            raise raised

    app = create_app(RecordingGateway())
    mount(app, [("/page", Page())], "test")
    response = TestClient(app).simulate_get("/page")
    assert (response.status_code, response.json) == (kind.code // 100, error(kind.code, str(raised)))
