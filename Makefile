# `make` lists the targets. pip is used as the user configured it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
# One thread a process, one process a core; nothing is sent anywhere.
export OMP_NUM_THREADS := 1
export DVC_NO_ANALYTICS := 1
export ITERATIVE_DO_NOT_TRACK := 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# What a user says is data: make does not expand it, and it reaches the commands by the
# environment, "$$NAME", never as a part of a line that a shell reads.
override SAID := NAME SRC MAP OPTIONS LINK DRY TO OUT SET A B C REVS HERE WORLD DATASET NORM REPLAY ENV KWARGS POLICY TARGETS LOCAL WORKERS DASK PORT SPACE GOAL TRIALS MINUTES PYTHON ONLY EVERY
$(foreach name,$(SAID),$(if $(filter undefined,$(origin $(name))),,$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

# The stamp's name is a checksum of what was installed: a second set-up does nothing.
STAMP := $(VENV)/installed-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)

# $(call which,make study NAME,params/study) ends with the names to choose from.
which = files=($(2)/*.yaml); files=("$${files[@]\#\#*/}"); echo "say which: $(1)=one of $${files[*]%.yaml}" >&2; exit 1

.PHONY: help setup run flow ui import export-data adopt world study search studies smoke claim claims compare report params behaviors test check hazards benchmarks lock browser graph

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk 'BEGIN {FS = ":.*## "} {printf "  %-11s %s\n", $$1, $$2}'

setup: $(STAMP)  ## install the locked versions into .venv, describe the machine: make setup [PYTHON=python3.12]
	@$(PY) -m tasks.artifacts.environment

$(STAMP):
	@python=; set -- python3.11 python3.12 python3.13 python3 python; $(if $(PYTHON),set -- "$$PYTHON";) for name; do \
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	  then python=$$name; break; fi; done; \
	if [ -z "$$python" ]; then echo "set-up needs Python 3.11, 3.12 or 3.13; none of these is one: $$*" >&2; exit 1; fi; \
	if ! command -v git >/dev/null; then echo "set-up needs git on the PATH" >&2; exit 1; fi; \
	echo "set-up: $$("$$python" --version), versions of requirements.lock"; \
	"$$python" -m venv $(VENV)
	@$(PY) -m pip install --quiet -r requirements.lock
	@$(PY) -m pip install --quiet --no-deps -e .
	@$(PY) -m tasks.train.engine.compiling
	@rm -f $(VENV)/installed-*; touch $@

run: setup  ## run the graph of params.yaml; what has not changed is skipped
	@$(PY) -m tasks.artifacts.mend --keep
	@dvc repro || { code=$$?; $(PY) -m tasks.artifacts.mend || true; exit $$code; }
	@rm -f .offcut/dvc.lock
	@[ -f data/report/index.html ] || $(PY) -m tasks.report
	@echo "report: $$PWD/data/report/index.html"

report: setup  ## render the report again from what the stages wrote
	@$(PY) -m flows.experiments.latencies
	@$(PY) -m tasks.report
	@echo "report: $$PWD/data/report/index.html"

flow: setup  ## the same graph in parallel, seen in Prefect: make flow [TARGETS="STAGE ..." WORKERS=2 DASK=ADDRESS LOCAL=1]
	@[ ! -f .offcut/dvc.lock ] || $(PY) -m tasks.artifacts.mend
	@set -f; $(PY) -m flows $(if $(LOCAL),--local) $(if $(WORKERS),--workers="$$WORKERS") $(if $(DASK),--dask="$$DASK") -- $${TARGETS-}
	@[ -f data/report/index.html ] || $(PY) -m tasks.report
	@echo "report: $$PWD/data/report/index.html"

ui: setup  ## Prefect's pages: start, watch, schedule and cancel runs: make ui [PORT=4200]
	@$(PY) -m flows.serve $(if $(PORT),--port="$$PORT")

import: setup  ## data that others recorded: make import SRC=FILE NAME=NAME [MAP=FILE OPTIONS="key=value ..." WORLD=WORLD LINK=1 DRY=1]
	@$(if $(and $(SRC),$(NAME)),,{ echo 'say which: make import SRC=FILE NAME=... [MAP=map.yaml] [OPTIONS="key=value ..."]' >&2; exit 1; })
	@$(PY) -m tasks.generate.engine.importing --source="$$SRC" --name="$$NAME" $(if $(MAP),--map="$$MAP") $(if $(OPTIONS),--options="$$OPTIONS") $(if $(WORLD),--world="$$WORLD") $(if $(LINK),--link) $(if $(DRY),--dry)

export-data: setup  ## a dataset in another format: make export-data NAME=DATASET TO=csv|d3rlpy|d4rl|lerobot OUT=NEW_FOLDER
	@$(if $(and $(NAME),$(TO),$(OUT)),,{ echo 'say which: make export-data NAME=DATASET TO=csv|d3rlpy|d4rl|lerobot OUT=NEW_FOLDER' >&2; exit 1; })
	@$(PY) -m tasks.generate.engine.exporting --dataset="$$NAME" --to="$$TO" --out="$$OUT"

study: setup  ## another study as an experiment: make study NAME=STUDY [SET="key=value ..." LOCAL=1]
	@$(if $(NAME),,$(call which,make study NAME,params/study))
	@$(PY) -m flows.study $(if $(LOCAL),--local) $(if $(SET),--set="$$SET") -- "$$NAME"

search: setup  ## search a study's numbers: make search NAME=STUDY SPACE="key=low..high ..." [GOAL="score at <= 10 kB" TRIALS=20 MINUTES=60 SET="key=value ..." LOCAL=1]
	@$(if $(NAME),,$(call which,make search NAME,params/study))
	@$(if $(SPACE),,{ echo 'say which: make search NAME=... SPACE="train.iql.beta=1..10(log)" [GOAL="score at <= 10 kB" TRIALS=20 MINUTES=60 SET="key=value ..."]' >&2; exit 1; })
	@$(PY) -m flows.search $(if $(LOCAL),--local) --space="$$SPACE" $(if $(GOAL),--goal="$$GOAL") $(if $(TRIALS),--trials="$$TRIALS") $(if $(MINUTES),--minutes="$$MINUTES") $(if $(SET),--set="$$SET") -- "$$NAME"

smoke: setup  ## every smoke study, each through all stages to an evaluated ONNX file
	@for file in params/study/*smoke.yaml; do $(PY) -m flows.study --local -- "$$(basename "$$file" .yaml)"; done

adopt: setup  ## take in a policy trained elsewhere: make adopt SRC=FILE NAME=NAME WORLD=WORLD|DATASET=DATASET [NORM=FILE REPLAY=FILE OPTIONS="key=value ..."]
	@$(if $(and $(SRC),$(NAME),$(WORLD)$(DATASET)),,{ echo 'say which: make adopt SRC=FILE NAME=NAME WORLD=WORLD (or DATASET=DATASET) [NORM=norm.npz REPLAY=rows.npz OPTIONS="key=value ..."]' >&2; exit 1; })
	@$(PY) -m tasks.adopt.engine.door --name="$$NAME" $(if $(WORLD),--world="$$WORLD") $(if $(DATASET),--dataset="$$DATASET") $(if $(NORM),--norm="$$NORM") $(if $(REPLAY),--replay="$$REPLAY") $(if $(OPTIONS),--options="$$OPTIONS") -- "$$SRC"

studies: setup  ## list the studies that ran here, with the file to ship and the report
	@$(PY) -m flows.studies

claim: setup  ## check a paper's claim: make claim NAME=CLAIM [LOCAL=1]
	@$(if $(NAME),,$(call which,make claim NAME,params/claims))
	@$(PY) -m flows.claims $(if $(LOCAL),--local) -- "$$NAME"

claims: setup  ## check all papers' claims, hours; killed and run again it goes on: make claims [LOCAL=1]
	@$(PY) -m flows.claims $(if $(LOCAL),--local)

compare: setup  ## compare revisions: make compare A=REVISION B=REVISION [C=REVISION] [REVS="REVISION ..."] [HERE=1]
	@$(if $(or $(REVS),$(and $(A),$(B))),,{ echo 'say which: make compare A=REVISION B=REVISION [C=REVISION], or REVS="REVISION REVISION ..."' >&2; exit 1; })
	@set -f; $(PY) -m flows.compare $(if $(HERE),--here) -- $(if $(A),"$$A") $(if $(B),"$$B") $(if $(C),"$$C") $(if $(REVS),$$REVS)

graph: setup  ## draw docs/graph.svg, the graph by groups of stages, from dvc.yaml
	@$(PY) -m flows.draw

params: setup  ## compose params.yaml, the default study, from params/
	@$(PY) -m tasks.artifacts.compose

# Files in git that no run makes or removes: only this target does, and takes hours.
behaviors: setup  ## train the policies that make the experience again: make behaviors WORLD=TRAINED
	@$(if $(WORLD),,$(call which,make behaviors WORLD,params/behaviors))
	@$(PY) -m tasks.behaviors --world="$$WORLD"

world: setup  ## take an environment of Gymnasium: make world ENV=ID NAME=NAME [KWARGS="key=value ..." POLICY=FILE]
	@$(if $(and $(ENV),$(NAME)),,{ echo 'say which: make world ENV=ID NAME=... [KWARGS="key=value ..."] [POLICY=FILE.onnx]' >&2; exit 1; })
	@$(PY) -m tasks.worlds.engine.describe --env="$$ENV" --name="$$NAME" $(if $(KWARGS),--kwargs="$$KWARGS") $(if $(POLICY),--policy="$$POLICY")

# By file, since the tests of a file share its server, clone or run of the graph, and in
# the order of tests/conftest.py, the heaviest first. What fails beside other work, e.g.
# waits for a server too briefly, is run again alone.
test: setup browser  ## all tests, two at a time (budget: 10 minutes on 2 cores)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder || { \
	  echo "again, one at a time: what failed"; \
	  $(PY) -m pytest --last-failed --last-failed-no-failures none; }

check: setup  ## lint, format, types, layout; changes nothing
	@ruff check
	@ruff format --check
	@mypy
	@$(PY) -m pytest -q tests/test_layout.py

hazards: setup  ## try over a thousand bad inputs at every door, minutes: make hazards [ONLY=WORDS EVERY=10]
	@$(PY) -m tests.hazards $(if $(ONLY),--only="$$ONLY") $(if $(EVERY),--every="$$EVERY")

benchmarks: setup  ## measure generating, training and evaluating against peers
	@$(PY) -m benchmarks

lock: setup  ## move requirements.lock to the newest versions pyproject.toml allows
	@$(PY) -m pip install --quiet --upgrade --upgrade-strategy eager -e '.[clone,dask,dev,flow,qd,s3]'
	@{ grep -E '^#|; python' requirements.lock; $(PY) -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > requirements.new
	@mv requirements.new requirements.lock

browser:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "browser: installing Debian's chromium for the tests of the report"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null \
	  || echo "browser: chromium could not be installed; the tests that open the report in it are skipped"; \
	else echo "browser: no chromium, and only root may install it; the tests that open the report in it are skipped"; fi >&2
