# Each target sets up what it needs: a fresh machine wants only Python 3.11, make, gcc, node and npm.
SHELL   := /bin/bash
PYTHON  ?= python3
CONFIG  ?= config/monitor.toml
BIN     := .venv/bin
BENCH   := .venv-bench/bin
RAY     := .venv-ray/bin
# Four for two cores: half of the tests wait for daemons, sockets and clocks.
WORKERS ?= 4

PAGE    := monitor/web/static/index.html
SOURCES := $(shell find dashboard -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: setup run test test-ray soak-ray cluster check soak cases bench images-lock release publishable wheel docs lock clean

setup: $(PAGE) .venv/.ready

.venv/.ready: requirements-build.lock requirements.lock pyproject.toml Makefile
	@echo "setting up, once: a Python environment in .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-build.lock
	@echo "setting up: the packages of requirements.lock (the longest step, about a minute)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@echo "setting up: compiling the loops of the engine for this machine (some seconds)"
	@$(BIN)/python -m monitor.engine.warm
	@touch $@

# The web page. Where its packages cannot be fetched the daemon runs all the same, and says at / how to build it.
$(PAGE): $(SOURCES)
	@if $(MAKE) --silent dashboard/node_modules/.ready; then echo "setting up: building the web page" && cd dashboard && npm run --silent build -- --logLevel warn; \
	else echo "The web page is not built: it needs node, npm and its packages. The monitor runs without it."; fi

dashboard/node_modules/.ready: dashboard/package-lock.json
	@echo "setting up: the packages of the web page"
	@cd dashboard && npm ci --silent && touch node_modules/.ready

run: setup
	@echo "starting: monitor run --config $(CONFIG)"
	@exec $(BIN)/monitor run --config $(CONFIG)

test: setup
	$(BIN)/pytest -n $(WORKERS) --dist worksteal tests

# Ray is in no lock: its wheels are not there for every machine. It lies in an environment of its own, beside all of .venv.
.venv-ray/.ready: .venv/.ready
	@echo "setting up Ray beside it, in .venv-ray"
	@test -x $(RAY)/python || $(PYTHON) -m venv .venv-ray
	@echo "import site; site.addsitedir('$(CURDIR)/.venv/lib/python3.11/site-packages')" > .venv-ray/lib/python3.11/site-packages/beside.pth
	@$(BIN)/uv pip install --quiet --python $(RAY)/python "ray[client]>=2.40,<3"
	@touch $@

# The tests that need Ray, with one of its own on this machine.
test-ray: .venv-ray/.ready
	$(RAY)/python -m pytest tests/engine/spread/test_ray.py tests/deploy/test_ray.py

# The same and what takes minutes: a daemon by TLS with a token, a cluster whose head is gone, two years.
soak-ray: .venv-ray/.ready
	LONG=1 $(RAY)/python -m pytest -m "soak or not soak" tests/engine/spread/test_ray.py tests/faults/test_shards_of_ray.py

# The demonstration with its book in four shards of a Ray on this machine. Workers of Ray would run behind all else. Ray listens at
# the machine's address whatever it is told, so it asks for a token, which lies in var/.
cluster: export RAY_worker_niceness := 0
cluster: export RAY_AUTH_MODE := token
cluster: export RAY_AUTH_TOKEN_PATH := $(CURDIR)/var/ray.token
cluster: export RAY_USAGE_STATS_ENABLED := 0
cluster: setup .venv-ray/.ready
	@{ cat config/monitor.toml; printf '\n[engine]\nshards = 4\nray = "auto"\n'; } > config/cluster.toml
	@mkdir -p var
	@test -s var/ray.token || (umask 077; $(RAY)/python -c "import secrets; print(secrets.token_hex(32))" > var/ray.token)
	@echo "starting Ray on this machine (some ten seconds)"
	@$(RAY)/ray start --head --node-ip-address=127.0.0.1 --include-dashboard=false --disable-usage-stats >var/ray.log 2>&1 \
	|| { $(RAY)/ray status >/dev/null 2>&1 && echo "Ray runs already."; } || { cat var/ray.log; exit 1; }
	@echo "The demonstration is small: its groups stay with the head, up to 512, and the shards are empty."
	@echo "$(BIN)/monitor shards   shows the shards, each with its process. kill -9 one of them: another takes its place."
	@echo "$(RAY)/ray stop         ends Ray when the monitor has ended."
	@exec $(RAY)/python -m monitor run --config config/cluster.toml

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive monitor tools bench examples hatch_build.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.class_names
	$(BIN)/python -m tools.limits
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile
	@if command -v npm >/dev/null; then $(MAKE) --silent dashboard/node_modules/.ready && cd dashboard && npm run --silent check; \
	else echo "npm is not installed: the page is not checked"; fi

# The slower suite: thousands of groups over a whole tape, more random kills and examples, ten minutes of all faults
# (SOAK_MINUTES and SOAK_SEED change those), and a minute of rubbish for each parser (FUZZ_SECONDS).
soak: export FUZZ_SECONDS ?= 60
soak: setup
	LONG=1 $(BIN)/pytest -n $(WORKERS) -m "soak or long or fuzz" tests

# The handed cases as slow as they were; `make test` plays them five times as fast.
cases: setup
	CASES_SPEED=1 $(BIN)/pytest -n 4 --dist worksteal -m "soak or not soak" tests/cases

# Ours and its peers, side by side, with packages of their own; QUICK=1 runs fewer rounds, in less than five minutes.
bench: .venv-bench/.ready
	$(BENCH)/python -m bench.run $(if $(filter 1,$(QUICK)),--quick)

.venv-bench/.ready: requirements-build.lock requirements.lock requirements-bench.lock pyproject.toml Makefile
	@test -x $(BENCH)/python || $(PYTHON) -m venv .venv-bench
	@$(BENCH)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-build.lock
	@$(BENCH)/uv pip install --quiet --python $(BENCH)/python --require-hashes --requirement requirements.lock --requirement requirements-bench.lock
	@$(BENCH)/uv pip install --quiet --python $(BENCH)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Which bytes the images are, asked of REGISTRY=https://...; needs a network. nothing is publishable without.
images-lock: setup
	$(BIN)/python -m tools.images --registry "$(REGISTRY)"

# Wheel and source archive with the page, bill of materials, licences and digests, in dist/. What cannot be looked up without
# a network is listed there.
release: setup
	$(BIN)/python -m tools.release

# May what is in dist/ be given away? Not while anything about it is unknown.
publishable: setup
	$(BIN)/python -m tools.release --publishable

# The wheel and the archive of a release, without its audit and its look at the images: to try one, not to give it away.
wheel: setup
	$(BIN)/python -m tools.release --unaudited

# The documents as a site in site/, which needs no network to be read.
docs: setup
	$(BIN)/python -m tools.docs_site

lock: setup
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --generate-hashes --no-header --output-file requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra bench --constraint requirements.lock --generate-hashes --no-header --output-file requirements-bench.lock
	$(BIN)/uv pip compile --quiet --group build --constraint requirements.lock --generate-hashes --no-header --output-file requirements-build.lock

clean:
	rm -rf .venv .venv-bench site .mypy_cache .ruff_cache .pytest_cache dashboard/node_modules monitor/web/static
