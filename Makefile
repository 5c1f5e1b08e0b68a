# make demo    the main job on what can be had here; ends with a table and a report's path
# make test    everything that continuous integration runs: lint, types, tests
# make check   lint and types only
# make clean   removes what the others made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# A local copy of the real photos, if there is one: DIR/subjects.json and DIR/<subject>/<NN>.jpg.
PHOTOS ?= $(firstword $(wildcard photos/dreambooth ../photos/dreambooth ../*/photos/dreambooth))
DEMO := demo

.PHONY: demo test check install clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# The bounding baselines: noise, a training photo, another photo of the subject, the test photo
# itself. No trained weights travel with the package yet, so the scorers are untrained.
demo: $(INSTALLED)
ifneq ($(PHOTOS),)
	$(BIN)/python -m builders dreambooth30 --from $(PHOTOS) --out $(DEMO)/release > /dev/null
else
	$(BIN)/python -m builders sketch --out $(DEMO)/release > /dev/null
endif
	for model in noise copy-train real-other copy-test; do \
		echo "== $$model"; \
		$(BIN)/pdst-eval --model $$model --benchmark $(DEMO)/release --protocol quick \
			--clip untrained --dino untrained --out $(DEMO)/runs/$$model --json > /dev/null \
			|| [ $$? -eq 3 ] || exit 1; \
	done
	$(BIN)/pdst show $(foreach m,noise copy-train real-other copy-test,$(DEMO)/runs/$(m)) \
		--benchmark $(DEMO)/release --html $(DEMO)/report.html

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	OMP_NUM_THREADS=1 PDST_PHOTOS=$(PHOTOS) $(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV) $(DEMO) build dist
