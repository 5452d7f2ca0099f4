# Names for what people and CI both run. Needs git, make and Python >= 3.11; tools/uv gets the rest.

UV := tools/uv
# Python is the machine's own: fetching another one is not this file's business.
export UV_PYTHON_DOWNLOADS ?= never
# Where Python may not keep what it compiled, each of the processes that tests start compiles all
# of it anew: four seconds instead of one and a half.
unexport PYTHONDONTWRITEBYTECODE
RUN := $(UV) run --locked --all-groups
# Where there is a wheel of it; elsewhere readers are tried by Hypothesis alone.
ATHERIS := sys_platform == 'linux' and platform_machine == 'x86_64' and python_version < '3.14'
PYTEST := $(RUN) pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup system lint format check test test-tempest fuzz fuzz-api lab-test lab-install lab-record bench bench-placement bench-filter bench-peers bench-creates bench-races bench-lab bench-docs demo docs clean

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26

setup:
	@$(UV) sync --quiet --locked --all-groups

system:
	@$(RUN) python -m tools.system_packages

lint: setup
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

format: setup  ## format the code, and mend what the linter can
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

check: lint  ## formatting, lint, types, import contracts, fast tests: before each commit
	$(PYTEST) -m "not slow and not system and not lab"

# libvirt's bindings, which the tests of real guests need, are built once its headers are there.
test: lint system  ## every test; installs what it needs (as root: Debian packages too)
	$(RUN) --extra host python -m tools.run_tests

test-tempest: setup  ## OpenStack's own tests against `trunkline up`, and docs/tempest.md from what they say
	$(RUN) python -m tests.tempest

fuzz: setup  ## readers of bytes from outside, guided by coverage: 20 s for each, or SECONDS=N
	$(RUN) --with "atheris==3.0.0; $(ATHERIS)" python -m tests.fuzz --seconds $(or $(SECONDS),20)

fuzz-api: setup  ## requests that Schemathesis makes for every route: thousands for each
	HYPOTHESIS_PROFILE=long $(PYTEST) tests/api/test_schemathesis.py tests/api/test_every_route.py tests/api/test_mutated_bodies.py --timeout 3600

lab-test: setup  ## the agent's world as it is: SR-IOV cards, a stock kernel, libvirt, in a QEMU guest
	$(RUN) --extra host python -m lab.ring

lab-install: setup  ## docs/install-host.md, followed to the letter in a fresh Debian
	$(RUN) --extra host python -m pytest -v tests/lab_install

lab-record: setup  ## recordings of the lab's cards for the fast tests, in tests/data/lab
	$(RUN) python -m lab.record

demo:  ## the two-network scenario, narrated and checked
	@$(UV) run --quiet --locked --no-dev python -m trunkline.demo

bench: setup  ## benchmarks, as JSON and a table
	$(RUN) python -m benchmarks

bench-placement: setup  ## how placement's costs grow with the fleet
	$(RUN) python -m benchmarks placement

bench-filter: setup  ## placement beside Nova's own PCI filter, which it installs in .cache/
	$(RUN) python -m benchmarks filter

bench-peers: setup  ## the service beside Neutron, Placement and Nova, which it installs in .cache/
	$(RUN) python -m benchmarks peers

bench-creates: setup  ## durable creates a second, through control and SQLite
	$(RUN) python -m benchmarks creates

bench-races: setup  ## what replicas that create at the same moment cost each other
	$(RUN) python -m benchmarks races

bench-lab: setup  ## what programming VFs, resting and starting a server cost, in the lab
	$(RUN) --extra host python -m benchmarks lab

bench-docs: setup  ## rewrite docs/benchmarks.md from what was measured last
	$(RUN) python tools/write_benchmarks.py

docs: setup  ## rewrite what the documentation takes from the code
	$(RUN) python tools/draw_state_machines.py
	$(RUN) python tools/list_errors.py
	$(RUN) python tools/list_routes.py
	$(RUN) python tools/list_policy.py
	$(RUN) python tools/write_cli_reference.py
	$(RUN) python -m tests.tempest.page

clean:  ## remove everything that is made here
	rm -rf .venv .cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
