# Everything installs itself into .venv; it needs only python3 (3.11 or newer), pip and make.
PYTHON  ?= python3
VENV    ?= .venv
PLUGINS := $(patsubst %/pyproject.toml,%,$(sort $(wildcard plugins/*/pyproject.toml)))
EXAMPLES := $(patsubst %/pyproject.toml,%,$(sort $(wildcard examples/*/pyproject.toml)))
SOURCES := onepush_core $(patsubst %/__init__.py,%,$(wildcard plugins/*/onepush_*/__init__.py))

.DEFAULT_GOAL := help
.PHONY: help run test test-released check bench format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.ready ## start the gateway on http://127.0.0.1:8080 with every plugin, and play the demo
	@$(VENV)/bin/onepush demo

test: $(VENV)/.ready-for-tests ## run every test (ARGS="journey ws" or "-k name": some)
	$(VENV)/bin/python tests/run.py $(ARGS)

test-released: $(VENV)/.ready-for-tests ## test each wheel in a fresh environment, with no other plugin there (minutes)
	$(VENV)/bin/python -m tests.released $(ARGS)

check: $(VENV)/.ready-for-tests ## ruff, mypy --strict, import contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict $(SOURCES)
	for example in $(EXAMPLES); do (cd $$example && MYPYPATH=$(CURDIR) \
		$(CURDIR)/$(VENV)/bin/mypy --strict --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache/$$example .) \
		|| exit 1; done
	$(VENV)/bin/python .ci/import_contracts.py

bench: $(VENV)/.ready ## measure speed and memory on this machine
	$(VENV)/bin/python -m benchmarks

format: $(VENV)/.ready ## let ruff sort imports and lay out the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## remove .venv, caches and the demo's data
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info plugins/*/*.egg-info

# --no-build-isolation: else each of our packages is built in an environment that is made for it alone.
# --without-pip: the venv module of some distributions comes without ensurepip.
$(VENV)/.ready: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "onepush needs Python 3.11 or newer")'
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(VENV)/bin/python install -qq --disable-pip-version-check \
		--constraint constraints.txt pip setuptools
	@$(PYTHON) -m pip --python $(VENV)/bin/python install -qq --disable-pip-version-check --no-build-isolation \
		--constraint constraints.txt --editable '.[dev,postgres]' $(PLUGINS:%=--editable ./%)
	@touch $@

# The SMS providers' SDKs: large, and wanted only by their tests and by those who use these providers.
$(VENV)/.ready-for-tests: $(VENV)/.ready
	@$(PYTHON) -m pip --python $(VENV)/bin/python install -qq --disable-pip-version-check --no-build-isolation \
		--constraint constraints.txt --editable './plugins/onepush_sms[aliyun,tencent]'
	@touch $@
