# Everything installs itself into .venv; it needs only python3 (3.11 or newer), pip and make.
PYTHON  ?= python3
VENV    ?= .venv
PLUGINS := $(patsubst %/pyproject.toml,%,$(sort $(wildcard plugins/*/pyproject.toml)))
SOURCES := onepush_core $(patsubst %/__init__.py,%,$(wildcard plugins/*/onepush_*/__init__.py))

.DEFAULT_GOAL := help
.PHONY: help run test check bench format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.ready ## start the gateway on http://127.0.0.1:8080 with every plugin, and play the demo
	@$(VENV)/bin/onepush demo

test: $(VENV)/.ready-for-tests ## run every test (ARGS="-k name" runs some)
	$(VENV)/bin/python tests/run.py $(ARGS)

check: $(VENV)/.ready-for-tests ## ruff, mypy --strict, import contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict $(SOURCES)
	$(VENV)/bin/python .ci/import_contracts.py

bench: $(VENV)/.ready ## measure speed and memory on this machine
	$(VENV)/bin/python -m benchmarks

format: $(VENV)/.ready ## let ruff sort imports and lay out the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## remove .venv, caches and the demo's data
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info plugins/*/*.egg-info

# --without-pip: the venv module of some distributions comes without ensurepip.
$(VENV)/.ready: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "onepush needs Python 3.11 or newer")'
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(VENV)/bin/python install -qq --disable-pip-version-check \
		--constraint constraints.txt pip --editable '.[dev]' $(PLUGINS:%=--editable ./%)
	@touch $@

# The SMS providers' SDKs: large, and wanted only by their tests and by those who use these providers.
$(VENV)/.ready-for-tests: $(VENV)/.ready
	@$(PYTHON) -m pip --python $(VENV)/bin/python install -qq --disable-pip-version-check \
		--constraint constraints.txt --editable './plugins/onepush_sms[aliyun,tencent]'
	@touch $@
