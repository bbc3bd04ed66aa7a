# make run     set up .venv from the lock file, then the whole pipeline on config.yaml
# make report  the same, and results/report.html with every figure and table
# make tune    the same set-up with Ray, and the searches for hyperparameters in `tuning`
# make slurm   the same set-up with what submits jobs to Slurm
# make test    set up, then all checks and tests
# make docs    set up, then the documentation in site/
# make bench   set up, then the benchmarks, on the crystals of TABLE (a Parquet file with CIFs)
# make mutants  set up, then wrong changes of the science modules, which the tests should notice (hours)
# make wheels  packages of every set-up into the folder wheels/, for machines without a network
# make lock    write the lock files anew from pyproject.toml

PYTHON ?= python3
CORES ?= all
GPUS ?= $(shell nvidia-smi --list-gpus 2>/dev/null | wc -l)
TORCH ?= 2.13.0
TRITON ?= 3.7.1
TABLE ?= results/prototypes/structures.parquet
BIN := .venv/bin

SNAKEMAKE = $(BIN)/snakemake --resources gpu=$(GPUS) --cores $(CORES)
CREATE_VENV = $(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed; $(PYTHON) is {v[0]}.{v[1]}. Say which one to use: make PYTHON=python3.12 ...")' && $(PYTHON) -m venv

.PHONY: run report tune slurm test check docs bench mutants wheels lock setup

run: setup
	$(SNAKEMAKE)

report: setup
	$(SNAKEMAKE) --report results/report.html --report-stylesheet workflow/report/report.css --report-after-run

tune: .venv/.tune
	$(SNAKEMAKE) tune

slurm: .venv/.slurm

# Packages of one of the extras of pyproject.toml: tune, slurm or docs.
.venv/.%: requirements-%.lock .venv/.installed
	$(BIN)/pip install --quiet -c requirements.lock -r $<
	@touch $@

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@$(CREATE_VENV) .venv
	@cmp -s requirements.lock .venv/requirements.lock || echo "Installing packages into .venv (some minutes, once)"
	@cmp -s requirements.lock .venv/requirements.lock || $(BIN)/pip install --quiet -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@cp requirements.lock .venv/requirements.lock
	@touch $@

# For machines without a network: the packages of every set-up.
wheels: setup
	$(BIN)/pip wheel --quiet --wheel-dir $@ -r requirements.lock -r requirements-tune.lock -r requirements-slurm.lock -r requirements-docs.lock 'setuptools>=69' 'triton==$(TRITON); sys_platform == "linux"'

test: setup check .venv/.triton .venv/.slurm .venv/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# The GPU kernels are tested in Triton's interpreter; CUDA builds of torch bring it themselves.
.venv/.triton: .venv/.installed
	@if [ "$$(uname -s)" = Linux ] && ! $(BIN)/python -c 'import triton' 2>/dev/null; then $(BIN)/pip install --quiet --no-deps triton==$(TRITON); fi
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/mypy $(addprefix --disable-error-code=,arg-type assignment import-not-found method-assign override var-annotated) benchmarks

# MkDocs is told not to advertise its successors.
docs: .venv/.docs
	$(BIN)/python docs/generate/layers_picture.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: setup
	test -e $(TABLE) || $(SNAKEMAKE) $(TABLE)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/featurise.py --table $(TABLE)
	$(BIN)/python benchmarks/training_step.py --table $(TABLE) --n 50
	$(BIN)/python benchmarks/training_step.py --table $(TABLE) --n 500
	$(BIN)/python benchmarks/infomax_step.py --table $(TABLE) --n 50
	$(BIN)/python benchmarks/pair_block.py

mutants: setup
	OMP_NUM_THREADS=1 $(BIN)/python tools/mutation/run.py

# torch is given without its local version, and the CUDA packages that it pins itself are left out:
# the same file then installs a CPU or a CUDA build.
LOCK := .snakemake/lock
lock:
	@rm -rf $(LOCK)
	@mkdir -p $(LOCK)
	@$(CREATE_VENV) $(LOCK)/venv
	@$(LOCK)/venv/bin/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["dev"], "torch==$(TORCH)", sep="\n")' > $(LOCK)/wanted.txt
	$(LOCK)/venv/bin/pip install --quiet -r $(LOCK)/wanted.txt
	$(LOCK)/venv/bin/pip freeze | sed -E 's/\+[a-z0-9.]+$$//' | grep -vE '^(nvidia-|cuda-|triton)' > requirements.lock
	@$(LOCK)/venv/bin/pip freeze > $(LOCK)/before.txt
	@set -e; for extra in tune slurm docs; do \
		$(LOCK)/venv/bin/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['$$extra'], sep='\n')" > $(LOCK)/$$extra.txt; \
		$(LOCK)/venv/bin/pip install --quiet -c $(LOCK)/before.txt -r $(LOCK)/$$extra.txt; \
		$(LOCK)/venv/bin/pip freeze | grep -vxFf $(LOCK)/before.txt > requirements-$$extra.lock; \
		$(LOCK)/venv/bin/pip freeze > $(LOCK)/before.txt; \
	done
	@rm -rf $(LOCK)
