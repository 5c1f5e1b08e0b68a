# make demo    the main job on the miniature; ends with a table, a picture and a report's path
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

# On the miniature, scored by its own trained CLIP and DINO: noise, the class word drawn by its generator,
# a training photo, another photo of the subject, the test photo itself. Then TI+ learns one subject. Half
# of the protocol's sampling steps, for time. One thread: two are no faster on networks so small.
MODELS := noise class-noun copy-train real-other copy-test
demo: $(INSTALLED)
	for model in $(MODELS); do \
		echo "== $$model"; \
		how=""; [ $$model != class-noun ] || how="--model-arg dtype=bfloat16 --model-arg steps=25"; \
		OMP_NUM_THREADS=1 $(BIN)/pdst-eval --model $$model $$how --protocol quick --out $(DEMO)/runs/$$model \
			--json > /dev/null || [ $$? -eq 3 ] || exit 1; \
	done
	@echo "== TI+ learns the mug"
	OMP_NUM_THREADS=1 $(BIN)/pdst-train ti+ --subject mug --dtype bfloat16 --out $(DEMO)/checkpoints
	$(BIN)/pdst show $(MODELS:%=$(DEMO)/runs/%) --benchmark miniature \
		--png $(DEMO)/pictures.png --html $(DEMO)/report.html

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	OMP_NUM_THREADS=1 PDST_PHOTOS=$(PHOTOS) $(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV) $(DEMO) build dist
