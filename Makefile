# Each target sets up .venv by itself; `make run` and `make test` are all a fresh machine needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CONFIG ?=

# The processes of a test run share what they compile.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test torture fuzz check format bench clean

run: $(VENV)/run.stamp
ifeq ($(CONFIG),)
	$(BIN)/klipper-bridge demo
else
	$(BIN)/klipper-bridge run --config $(CONFIG)
endif

test: $(VENV)/dev.stamp mosquitto
	$(BIN)/pytest -m "not torture and not fuzz" -n 8 --dist worksteal

torture: $(VENV)/dev.stamp mosquitto
	$(BIN)/pytest -m torture -n 4 --dist worksteal --timeout 280

fuzz: $(VENV)/dev.stamp
	$(BIN)/pytest -m fuzz --timeout 1800

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp mosquitto
	$(BIN)/python -m bench
	$(BIN)/python bench/home.py
	$(BIN)/python bench/store.py
	$(BIN)/python bench/history.py --moonraker .venv-bench/moonraker/bin/python
	$(BIN)/python bench/database.py --moonraker .venv-bench/moonraker/bin/python

clean:
	rm -rf $(VENV) .venv-bench build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv is missing (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,speed]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,speed]'
	@touch $@ $(VENV)/run.stamp

# MQTT 5 cannot be tested without a real broker: install it where we may, else say how.
.PHONY: mosquitto
mosquitto:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; command -v mosquitto >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing mosquitto"; \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends mosquitto) >/dev/null && exit 0; \
	fi; \
	echo "The tests need the MQTT broker mosquitto; install it, on Debian: sudo apt-get install mosquitto"; exit 1
