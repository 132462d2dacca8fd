"""Every check can fail: plugins with one flaw fail the check for that flaw, and no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.testing import flawed_audiences, flawed_authenticators, flawed_transports
from tests.testing.verdicts import run_checks

MODULES = (flawed_transports, flawed_audiences, flawed_authenticators)
CASES = [
    pytest.param(module, name, id=name)
    for module in MODULES
    for name, value in vars(module).items()
    if name.startswith("Test") and hasattr(value, "CAUGHT")
]


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory):
    """What the checks say of the flawed plugins of each module; much of it waiting, so side by side."""
    files = [f"{module.__name__.rpartition('.')[2]}.py" for module in MODULES]
    folders = [tmp_path_factory.mktemp("checks") for _ in MODULES]
    with ThreadPoolExecutor(len(MODULES)) as pool:
        return dict(zip(MODULES, pool.map(run_checks, files, folders), strict=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("module", "name"), CASES)
def test_check_catches(module, name, verdicts):
    """Exactly the checks named fail, and say what is wrong and where the rule stands."""
    checks, case = verdicts[module][name], getattr(module, name)
    failed = {check: said for check, said in checks.items() if said is not None}
    assert set(failed) == set(case.CAUGHT), failed
    for said in failed.values():
        assert case.SENTENCE in said
        assert "(see docs/" in said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_check_can_fail(module, verdicts):
    """There is no check that no flawed plugin fails."""
    flawed = [value for name, value in vars(module).items() if name.startswith("Test")]
    caught = {check.partition("[")[0] for one in flawed for check in one.CAUGHT}
    checks = {check.partition("[")[0] for check in verdicts[module]["TestSound"]}
    assert checks - caught == set()
