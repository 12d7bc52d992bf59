# CNN-VIS: `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# What `make volumes` makes of what; several images, layers or formats are separated by blanks or commas.
MODEL ?= demo/efficientnet-lite0.toml
IMAGE ?= demo/model/chelsea.png
LAYERS ?= stem.conv
FORMATS ?= nrrd vti
ORDER ?= identity
LAYOUT ?= stack
PRESET ?= auto
OUT ?= volumes
ARCHIVE ?= $(OUT)-archive.zip

.PHONY: help venv demo volumes presets montages archive test test-viewers bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo          a trained network, a cat, and volumes for every viewer, in demo/out"
	@echo "make volumes MODEL=net.onnx IMAGE=cat.jpg LAYERS='conv*' FORMATS='nrrd vti'    volumes, in OUT=volumes"
	@echo "make presets       and transfer functions for the viewers;   make montages    and pictures of all maps"
	@echo "make archive       all that as a bag with checksums: ARCHIVE=volumes-archive.zip"
	@echo "make test          unit tests, ruff, mypy"
	@echo "make test-viewers  tests in ParaView, 3D Slicer, ITK and teem (Debian or Ubuntu, as root)"
	@echo "make bench         speed side by side with others"
	@echo "Further variables: ORDER LAYOUT PRESET PREPROCESS OUT PYTHON VENV"

venv: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "CNN-VIS needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# --- demo

DEMO_MODEL := demo/model/efficientnet-lite0.onnx

$(DEMO_MODEL): $(wildcard demo/*.py) demo/wheels.toml | $(VENV)/.installed
	$(BIN)/python -m demo.make_model demo/model
	@touch $@

demo/model/chelsea.png: $(DEMO_MODEL)

demo: $(DEMO_MODEL) | $(VENV)/.installed
	$(BIN)/python -m demo.run demo/out

# --- volumes

space := $(subst ,, )
comma := ,
IMAGES := $(subst $(comma), ,$(IMAGE))
INPUTS := $(foreach file,$(MODEL) $(IMAGES),$(file) $(wildcard $(file)/*))

# The settings of a stage; its stamp is older than this file only when one of them has changed.
export MODEL IMAGES LAYERS FORMATS ORDER LAYOUT PRESET PREPROCESS
VOLUME_SETTINGS := MODEL IMAGES LAYERS FORMATS ORDER LAYOUT PREPROCESS

# A stamp lists the files that its stage wrote: they go before the stage runs again, so that none is left over.
define restart
@test ! -f $@ || xargs rm -f < $@
@rm -f $@
endef

$(OUT)/.volumes.settings: FORCE
	@mkdir -p $(OUT)
	@{ $(foreach name,$(VOLUME_SETTINGS),echo "$(name)=$$$(name)";) } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OUT)/.presets.settings $(OUT)/.montages.settings: $(OUT)/.%.settings: FORCE
	@mkdir -p $(OUT)
	@echo "PRESET=$$PRESET" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:

$(OUT)/.volumes: $(INPUTS) $(OUT)/.volumes.settings | $(VENV)/.installed
	$(restart)
	set -f; $(BIN)/cnnvis activations "$$MODEL" \
	  $$(printf -- '--image %s ' $$IMAGES) $$(printf -- '--layer %s ' $$(echo "$$LAYERS" | tr , ' ')) \
	  --format "$$(echo "$$FORMATS" | tr ' ' ,)" --order "$$ORDER" --layout "$$LAYOUT" \
	  $${PREPROCESS:+--preprocess "$$PREPROCESS"} --out $(OUT) > $@
	@cat $@

$(OUT)/.presets: $(OUT)/.volumes $(OUT)/.presets.settings
	$(restart)
	grep '_act\.' $< | grep -Ev '\.(json|raw|hd)$$' | xargs $(BIN)/cnnvis preset --preset "$$PRESET" --out $(OUT) > $@
	@cat $@

$(OUT)/.montages: $(OUT)/.volumes $(OUT)/.montages.settings
	$(restart)
	grep '_act\.$(firstword $(subst $(comma), ,$(FORMATS)))$$' $< | \
	  xargs $(BIN)/cnnvis montage --preset "$$PRESET" --out $(OUT) > $@
	@cat $@

volumes: $(OUT)/.volumes
presets: $(OUT)/.presets
montages: $(OUT)/.montages

$(ARCHIVE): $(OUT)/.volumes $(OUT)/.presets $(OUT)/.montages
	@rm -rf $@
	$(BIN)/cnnvis archive $(OUT) $@

archive: $(ARCHIVE)

# --- quality

test: $(VENV)/.test-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -q --ignore=tests/viewers

test-viewers: $(VENV)/.test-installed
	sh tests/viewers/install.sh
	$(BIN)/python -m pytest -q tests/viewers

bench: $(VENV)/.test-installed $(DEMO_MODEL)
	$(BIN)/python -m benchmarks.extraction

clean:
	rm -rf demo/out demo/model build ./*.egg-info
