# The pipeline with the packages of requirements.lock.
#
#   docker build --tag sitenet .
#   docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" sitenet --cores 8
#   docker run --rm --volume "$PWD:/work" --entrypoint sitenet sitenet predict MODEL CIF ...
#
# Results go to the mounted folder. PyPI's torch brings CUDA: run with `--gpus all`. Without a GPU a
# tenth of the download will do: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
#
# Apptainer makes its image of this one: apptainer build sitenet.sif docker-daemon://sitenet:latest
FROM python:3.11.13-slim-bookworm

# The compiler builds the engine's kernel for the processor at hand, on first use.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/sitenet
ARG TORCH_INDEX=
COPY requirements.lock ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement requirements.lock

COPY . .
RUN pip install --no-cache-dir --no-deps --editable .

# Kernels and caches of any user; lost with the container.
ENV HOME=/tmp XDG_CACHE_HOME=/tmp/.cache
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/sitenet/Snakefile"]
CMD ["--cores", "all"]
