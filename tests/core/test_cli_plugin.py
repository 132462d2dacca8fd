"""``onepush plugin new``: names, folders, and what is written. That it works: tests/authors."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from harness.needs import need_plugins, need_source
from onepush_core.cli import main
from onepush_core.cli.scaffold import TEMPLATE, names_of, rename

pytestmark = pytest.mark.once


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command ``onepush plugin new …`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["plugin", "new", *words])


def test_new_writes_a_distribution(run, tmp_path):
    """Every file of the template, under the new name."""
    done = run("web-pager")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "onepush_web_pager"
    assert (folder / "onepush_web_pager" / "plugin.py").exists()
    assert (folder / "pyproject.toml").read_text().count("onepush-web-pager") == 1
    assert 'web-pager = "onepush_web_pager:create"' in (folder / "pyproject.toml").read_text()
    assert "class WebPagerPlugin" in (folder / "onepush_web_pager" / "plugin.py").read_text()
    assert 'VENDOR = "WEB_PAGER"' in (folder / "onepush_web_pager" / "plugin.py").read_text()
    assert "ONEPUSH_WEB_PAGER_URL" in (folder / "README.md").read_text()
    for path in folder.rglob("*"):
        assert "pigeon" not in str(path).lower()
        assert path.is_dir() or "pigeon" not in path.read_text().lower(), path


def test_new_says_what_comes_next(run):
    """The commands to type."""
    assert "cd onepush_pager\n  pip install -e '.[dev]'\n  pytest" in run("pager").output


def test_new_takes_a_folder(run, tmp_path):
    """Also one whose parents are missing."""
    assert run("pager", "--folder", "a/b").exit_code == 0
    assert (tmp_path / "a" / "b" / "onepush_pager" / "__init__.py").exists()


@pytest.mark.parametrize(
    "name", ["", "Pager", "9to5", "a--b", "-a", "a-", "a_b", "a.b", "../a", "ä", "x" * 33, "a\n"]
)
def test_new_refuses_bad_names(run, tmp_path, name):
    """With one line that says what a name is made of, and nothing written."""
    done = run("--", name)
    assert done.exit_code == 2
    assert "lower-case letters, digits and hyphens" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"), [("core", "core's own"), ("server", "core's own"), ("ws", "installed")]
)
def test_new_refuses_names_that_are_taken(run, tmp_path, name, why):
    """Tables of the core, and plugins that are installed here."""
    if why == "installed":
        need_plugins(name)
    done = run(name)
    assert (done.exit_code, why in done.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_new_leaves_existing_folders_alone(run, tmp_path):
    """Nothing in it is touched."""
    (tmp_path / "onepush_pager").mkdir()
    (tmp_path / "onepush_pager" / "mine").write_text("precious")
    done = run("pager")
    assert done.exit_code == 1
    assert "onepush_pager exists already" in done.output
    assert [path.name for path in (tmp_path / "onepush_pager").iterdir()] == ["mine"]


def test_new_reports_a_folder_it_cannot_make(run, tmp_path):
    """Below a file, for example."""
    (tmp_path / "file").write_text("")
    done = run("pager", "--folder", "file/pager")
    assert done.exit_code == 1
    assert "cannot be made" in done.output


def test_template_is_the_example():
    """One source: the folder that a reader of the repository sees, and nothing of it is left out."""
    need_source()
    example = TEMPLATE.parents[2] / "examples" / "minimal_plugin"
    assert TEMPLATE.resolve() == example.resolve()


def test_renaming_leaves_other_words_alone():
    """All spellings in one pass: a new name that contains the old one is not renamed twice."""
    text = "onepush_pigeon onepush-pigeon PigeonPlugin PIGEON ONEPUSH_PIGEON_URL push"
    wanted = (
        "onepush_carrier_pigeon onepush-carrier-pigeon CarrierPigeonPlugin CARRIER_PIGEON"
        " ONEPUSH_CARRIER_PIGEON_URL push"
    )
    assert rename(text, names_of("carrier-pigeon")) == wanted
