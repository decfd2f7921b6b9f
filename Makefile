# Two commands do everything: `make run` and `make test`. `make help` lists the rest.
#   ARGS   flags for the command behind a target:  make run ARGS="--port 8000"   make test ARGS="tests/test_install.py"
#   PYTHON the Python that runs the set-up:        make run PYTHON=python3.12
# Variables that the set-up reads: FTCHAT_FLAVOUR=cpu|gpu|remote, FTCHAT_PYTHON, FTCHAT_BROWSER (see README.md).

.DEFAULT_GOAL := help
.PHONY: help run test lint bench soak pictures pins clean setup setup-dev setup-lint

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
SETUP := @$(PYTHON) -m ftchat.install

# Tests fetch nothing from a model hub; a run of the app may, when --model names one.
test soak bench: export HF_HUB_OFFLINE := 1

run: setup ## start the app on this machine, without a login: http://127.0.0.1:7860
	@exec $(BIN)/python app.py --open $(ARGS)

test: setup-dev ## run the tests, in two processes (tests/conftest.py deals them out)
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

lint: setup-lint ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup-dev ## run every measurement in bench/, each prints JSON; those that fail are named at the end
	@trap 'exit 130' INT; failed=; for file in bench/[a-z]*.py; do name=bench.$$(basename "$$file" .py); \
	  echo "$$name" >&2; $(BIN)/python -m "$$name" $(ARGS) || failed="$$failed $$name"; done; \
	[ -z "$$failed" ] || { echo "These ended with an error, or missed what they must not miss:$$failed" >&2; exit 1; }

soak: setup-dev ## run the long tests, those marked soak
	@$(BIN)/python -m pytest -m soak $(ARGS) || { status=$$?; \
	  [ $$status != 5 ] || echo "No test is marked soak yet." >&2; exit $$status; }

pictures: setup-dev ## take the README's pictures anew, from the running app
	@$(BIN)/python -m tests.pictures

pins: setup-dev ## for developers: resolve the newest packages, and rewrite the pins in ftchat/install
	@$(PYTHON) -m ftchat.install.upgrade

clean: ## remove .venv and caches; data/ and adapters/ stay
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache build dist shots ftchat.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

setup: ## install into .venv, and start nothing
	$(SETUP)

setup-lint:
	$(SETUP) --dev --no-browser

setup-dev:
	$(SETUP) --dev

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18
