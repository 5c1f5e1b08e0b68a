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

# On the miniature, scored by its own trained CLIP and DINO: noise, a training photo, another photo of the
# subject, the test photo itself; then TI+ learns one subject. Beside them the miniature's generator draws
# the class word, with half of the protocol's sampling steps, for time. One thread each: networks so small
# gain nothing from two.
MODELS := noise class-noun copy-train real-other copy-test
EVALUATE = OMP_NUM_THREADS=1 $(BIN)/pdst-eval --protocol quick --json
demo: $(INSTALLED)
	@echo "== class-noun, beside the others"; \
	$(EVALUATE) --model class-noun --model-arg dtype=bfloat16 --model-arg steps=25 --quiet \
		--out $(DEMO)/runs/class-noun > /dev/null & noun=$$!; \
	for model in $(filter-out class-noun,$(MODELS)); do \
		echo "== $$model"; \
		$(EVALUATE) --model $$model --out $(DEMO)/runs/$$model > /dev/null \
			|| [ $$? -eq 3 ] || exit 1; \
	done; \
	echo "== TI+ learns the mug"; \
	OMP_NUM_THREADS=1 $(BIN)/pdst-train ti+ --subject mug --dtype bfloat16 \
		--out $(DEMO)/checkpoints || exit 1; \
	wait $$noun || [ $$? -eq 3 ] || exit 1
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
