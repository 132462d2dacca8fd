"""docs/sms.md says what is so: settings, defaults, files and codes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from onepush_sms.receipts import UnknownAddress, WrongSignature
from onepush_sms.report_formats import InvalidReport
from onepush_sms.settings import PROVIDERS, AppSettings, GatewaySettings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "sms.md").read_text("utf-8")


def test_docs_list_every_setting():
    """Each setting of [sms] has its line, and no line is without a setting."""
    section = TEXT.partition("## Settings")[2].partition("| table |")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    known = {*AppSettings.__struct_fields__, *GatewaySettings.__struct_fields__} - set(PROVIDERS)
    assert listed == known


@pytest.mark.parametrize("provider", PROVIDERS)
def test_docs_list_every_setting_of_provider(provider):
    """Each key of a provider's table is named in its line, as TOML spells it."""
    line = next(one for one in TEXT.splitlines() if one.startswith(f"| `[sms.{provider}]` |"))
    settings = type(getattr(AppSettings(), provider))
    for key in settings.__struct_encode_fields__:
        assert f"`{key}`" in line


def test_docs_tell_defaults():
    """The numbers in the table are those of the code."""
    settings = AppSettings()
    for key in ("delay", "daily_budget", "number_hourly_budget", "number_daily_budget", "max_segments"):
        assert f"| `{key}` | {getattr(settings, key):g} |" in TEXT


def test_docs_name_files_that_exist():
    """Every file and function of the last table is there."""
    found = re.findall(r"`onepush_sms/(\w+)\.py`, `([\w.]+)`", TEXT)
    assert len(found) >= 8
    for module, path in found:
        value = importlib.import_module(f"onepush_sms.{module}")
        for name in path.split("."):
            value = getattr(value, name)


def test_docs_list_error_codes():
    """The codes of the report addresses are the errors' own."""
    for error in (InvalidReport, WrongSignature, UnknownAddress):
        assert f"{error.code} {error.summary}" in TEXT
