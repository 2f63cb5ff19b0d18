# Each target says what it does in the comment behind it; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo openapi test test-unit test-race corpus e2e chaos simulate simulate-full bench bench-large backlog fuzz build lint clean

ROUNDS ?= 20
FUZZTIME ?= 30s

# A collection of real mails beside this folder is tested against where it exists.
HEED_CORPUS ?= ../shared/corpus
ifneq ($(wildcard $(HEED_CORPUS)),)
export HEED_CORPUS := $(abspath $(HEED_CORPUS))
endif

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole story on your machine: no services, no configuration, nothing is sent out
	@.ci/build
	@./heed demo

test: ## everything, on real servers; as root on Debian it installs what is missing
	@.ci/suites all

test-unit: ## what needs no server, and what the installed servers allow
	@.ci/suites unit

test-race: ## the same with the race detector; a missing server is a failure
	@HEED_REQUIRE_SERVICES=1 .ci/suites race

corpus: ## how the collection of real mails is read: a table of what each is and is taken for
	@.ci/suites corpus

e2e: ## the story on four set-ups: SQLite or PostgreSQL, in-process or real Redis, Postfix, Dovecot
	@.ci/suites e2e

chaos: ## rounds of faults by seed, ROUNDS=n (20) of them, counted in chaos.json; SEED=n plays one again
	@HEED_CHAOS_ROUNDS=$(ROUNDS) HEED_CHAOS_SEED=$(SEED) .ci/suites rounds

simulate: ## courses of events of the send by seed, SEEDS=n (10000) of them from FROM=n (0) on; SEED=n shows one
	@HEED_SIM_SEEDS=$(SEEDS) HEED_SIM_FROM=$(FROM) HEED_SIM_SEED=$(SEED) .ci/suites simulate

simulate-full: ## the same of whole machines, with asynq, Redis, SMTP and the web: SEEDS=n (300), FROM=n, SEED=n
	@HEED_SIM_SEEDS=$(SEEDS) HEED_SIM_FROM=$(FROM) HEED_SIM_SEED=$(SEED) .ci/suites machines

bench: ## measure how fast and how exact it is, half an hour long; writes bench.json
	@.ci/suites bench

bench-large: ## the same with a million people on both engines, and with ten million
	@.ci/suites large

backlog: ## read a mailbox in which 100,000 mails wait
	@HEED_REQUIRE_SERVICES=1 HEED_BACKLOG=100000 go test -count=1 -timeout 90m -run '^TestDovecotBacklog$$' -v ./inbox

fuzz: ## each fuzz target for FUZZTIME (30s), or all of them within FUZZTOTAL (30m)
	@FUZZTIME=$(FUZZTIME) FUZZTOTAL=$(FUZZTOTAL) .ci/suites fuzz

screenshots: ## take the pictures of every page in docs/pages anew, with Chromium
	@mkdir -p docs/pages && rm -f docs/pages/*.png
	@HEED_REQUIRE_SERVICES=1 HEED_SHOTS=$(CURDIR)/docs/pages go test -count=1 -run '^TestScreenshots$$' ./templates

build: ## compile ./heed
	@.ci/build

openapi: build ## write docs/openapi.json, the published description of the HTTP API
	@./heed api describe > docs/openapi.json

lint: ## go vet, staticcheck and gofmt
	@.ci/suites vet lint format

clean: ## remove what the other targets wrote here
	rm -f heed bench.json chaos.json
