# Each target creates .venv and installs what it needs. On Windows: the pip lines of README.md.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=  # many containers set it; then each of the tests' processes compiles everything anew
NPM := $(if $(shell command -v npm),tests/node_modules/.stamp)
PIP := PYTHONWARNINGS=ignore $(BIN)/pip --disable-pip-version-check install --quiet
RUN_NOTEBOOKS := $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False

.PHONY: compare lab site test quick lessons soak browser cluster bench mutations notebooks handouts wheelhouse clean

compare: .venv/base.stamp      ## the main job: a real week of earthquakes, polled and by webhook (ARGS="…" for options)
	$(BIN)/labkit compare $(ARGS)

lab: .venv/lab.stamp work/index.ipynb  ## JupyterLab on copies of the notebooks without outputs, in work/
	$(BIN)/jupyter lab --notebook-dir work

work/index.ipynb: | .venv/lab.stamp    # made once: what is in work/ is yours
	$(BIN)/labkit walkthroughs work

site: .venv/site.stamp         ## the course as a website in out/site: a warning, such as a dead link, is an error
	rm -rf out/site
	$(BIN)/sphinx-build -q -W --keep-going -E -c site -d out/doctrees . out/site

test: .venv/test.stamp $(NPM)  ## everything: lint, types, import directions, unit and property tests, notebooks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder --nbval notebooks tests labkit

quick: .venv/test.stamp        ## in about a minute: lint, types, and the tests that are not marked slow
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2 -m "not slow" tests labkit

lessons: .venv/test.stamp      ## the three lessons that `make test` does not run
	LABKIT_LESSONS=1 $(BIN)/pytest -q -n 2 --dist loadscope -m lessons --nbval notebooks tests/test_lessons.py

soak: .venv/soak.stamp         ## the long tests: bad inputs for 20 minutes, SIGKILLs at random moments, exercises graded by nbgrader
	LABKIT_SOAK=1 $(BIN)/pytest -q -n0 -m soak tests

browser: .venv/browser.stamp site  ## the website, and the walkthroughs in JupyterLab, in a chromium; screenshots in out/screenshots
	LABKIT_BROWSER=1 $(BIN)/pytest -q -n0 -m browser tests

cluster: .venv/cluster.stamp   ## sweeps on a Dask cluster of two worker processes, one of which is killed
	LABKIT_CLUSTER=1 $(BIN)/pytest -q -n0 -m cluster tests

bench: .venv/test.stamp        ## speed and memory, as ratios against a peer in the same run (ARGS="--only streams")
	$(BIN)/python -m benchmarks $(ARGS)

mutations: .venv/test.stamp    ## break the code on purpose: each mutation must turn its test red
	$(BIN)/python tests/mutations.py

notebooks: .venv/test.stamp    ## run the notebooks and store their outputs; then generate the index and the links
	$(RUN_NOTEBOOKS) notebooks/[0-9]*.ipynb notebooks/exercises/*.ipynb
	$(BIN)/python tools/contents.py
	$(BIN)/python tools/lessons.py
	$(RUN_NOTEBOOKS) notebooks/lesson_*.ipynb notebooks/session_*.ipynb

handouts: .venv/base.stamp     ## the pages of docs/class as HTML to print, in out/class
	$(BIN)/python tools/handouts.py

wheelhouse: .venv/bin/python   ## dist/wheelhouse: all packages, for computers without network (docs/for-teachers.md)
	rm -rf dist/wheelhouse build
	$(BIN)/pip --disable-pip-version-check wheel --quiet --wheel-dir dist/wheelhouse ".[lab,test]"

clean:
	rm -rf .venv tests/node_modules build dist *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip

.venv/base.stamp: pyproject.toml .venv/bin/python
	$(PIP) -e .
	touch $@

.venv/lab.stamp: pyproject.toml .venv/bin/python
	$(PIP) -e ".[lab]"
	touch $@ .venv/base.stamp

.venv/test.stamp: pyproject.toml .venv/bin/python
	$(PIP) -e ".[lab,test]"
	touch $@ .venv/lab.stamp .venv/base.stamp

.venv/site.stamp: pyproject.toml .venv/bin/python
	$(PIP) -e ".[site]"
	touch $@ .venv/base.stamp

.venv/soak.stamp: .venv/test.stamp
	$(PIP) -e ".[soak]"
	touch $@

.venv/browser.stamp: .venv/test.stamp  # it uses the system's browser: apt-get install chromium
	$(PIP) -e ".[browser]"
	touch $@

.venv/cluster.stamp: .venv/test.stamp
	$(PIP) -e ".[dask]"
	touch $@

tests/node_modules/.stamp: tests/package.json   # without npm the tests of its clients are skipped, and say so
	npm install --prefix tests --no-package-lock --no-audit --no-fund --silent && touch $@ || true
