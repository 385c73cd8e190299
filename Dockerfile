# The images of OJALA; `make image TARGET=serve` builds one (docs/cluster.md):
#   train-cpu   every stage, with a build of torch for CPUs
#   train-gpu   the same with CUDA and flash-attn
#   serve       the service alone, without a package of training
#   registry    MLflow's server, for PostgreSQL and S3
# Indexes, certificates and apt's settings of a site come as secrets, and stay in no layer.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG GPU_BUILD_BASE=docker.io/nvidia/cuda:13.0.2-devel-ubuntu24.04
ARG GPU_BASE=docker.io/nvidia/cuda:13.0.2-base-ubuntu24.04

# Wheels at hand: none, unless the build names a directory of them (TORCH_INDEX=/wheels).
FROM scratch AS wheels

# hadolint ignore=DL3006
FROM ${BASE} AS serve-packages
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/ojala
COPY requirements requirements
ENV PIP_NO_CACHE_DIR=1
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=bind,from=wheels,target=/wheels \
    python3 -m venv .venv \
    && requirements/torch.sh .venv/bin/python \
    && .venv/bin/python -m pip install --no-deps -c requirements/lock.txt -r requirements/serve.txt \
    && requirements/pared.sh .venv/lib/python3*/site-packages \
    && .venv/bin/python -m pip uninstall --yes pip

# hadolint ignore=DL3006
FROM ${BASE} AS serve
RUN useradd --uid 1000 --home-dir /tmp ojala
COPY --from=serve-packages /opt/ojala/.venv /opt/ojala/.venv
WORKDIR /opt/ojala
COPY ojala ojala
COPY serving serving
COPY infra/with_secrets infra/with_secrets
COPY pipelines/__init__.py pipelines/__init__.py
COPY pipelines/registry/__init__.py pipelines/registry/store.py pipelines/registry/
ARG GIT_COMMIT=unknown
# What is written at run time goes below /tmp: the rest may be mounted read-only.
ENV PATH=/opt/ojala/.venv/bin:$PATH PYTHONPATH=/opt/ojala HOME=/tmp BENTOML_HOME=/tmp/bentoml \
    PORT=3000 BENTOML_HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=PASSIVE BENTOML_DO_NOT_TRACK=true \
    MLFLOW_DISABLE_TELEMETRY=true OJALA_PROJECT=/tmp OJALA_GIT_COMMIT=$GIT_COMMIT
USER 1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["/opt/ojala/infra/with_secrets"]
CMD ["python", "-m", "serving"]

# hadolint ignore=DL3006
FROM ${BASE} AS registry
WORKDIR /opt/ojala
COPY requirements requirements
COPY infra/with_secrets infra/with_secrets
ENV PATH=/opt/ojala/.venv/bin:$PATH HOME=/tmp PIP_NO_CACHE_DIR=1 MLFLOW_DISABLE_TELEMETRY=true
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv .venv \
    && .venv/bin/python -m pip install --no-deps -c requirements/lock.txt -r requirements/registry.txt \
    && .venv/bin/python -m pip uninstall --yes pip
USER 1000
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://localhost:5000/health', timeout=4)"]
ENTRYPOINT ["/opt/ojala/infra/with_secrets"]
CMD ["mlflow", "server", "--host", "0.0.0.0"]

# hadolint ignore=DL3006
FROM ${BASE} AS train-cpu
# Debian's point releases take versions away: pinning them here would break the build in months.
# hadolint ignore=DL3008
RUN --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99site \
    apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && { getent passwd 1000 || useradd --uid 1000 --home-dir /tmp ojala; } \
    && install -d -o 1000 /srv/ojala
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/ojala
# The packages are a layer of their own, kept until a lock changes.
COPY Makefile ./
COPY requirements requirements
ENV PIP_NO_CACHE_DIR=1
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=bind,from=wheels,target=/wheels \
    make requirements DEV= \
    && rm -rf .venv/lib/python3*/site-packages/torch/test
COPY . .
RUN make install
# There is no .git in the image: the runs still say which code they ran.
ARG GIT_COMMIT=unknown
ENV PATH=/opt/ojala/.venv/bin:$PATH HOME=/tmp DVC_SITE_CACHE_DIR=/tmp/dvc \
    PYTHONDONTWRITEBYTECODE=1 OJALA_GIT_COMMIT=$GIT_COMMIT
USER 1000
WORKDIR /srv/ojala
ENTRYPOINT ["/opt/ojala/infra/with_secrets", "/opt/ojala/infra/in_project"]
CMD ["make", "repro"]

# hadolint ignore=DL3006
FROM ${GPU_BUILD_BASE} AS gpu-packages
# hadolint ignore=DL3008
RUN --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99site \
    apt-get update \
    && apt-get install --yes --no-install-recommends git make python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
ARG TORCH_INDEX=
ARG MAX_JOBS=4
WORKDIR /opt/ojala
COPY Makefile ./
COPY requirements requirements
ENV PIP_NO_CACHE_DIR=1
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=bind,from=wheels,target=/wheels \
    make requirements DEV= \
    && .venv/bin/python -m pip install --no-deps -r requirements/gpu.txt --only-binary ninja,einops \
       --no-build-isolation

# hadolint ignore=DL3006
FROM ${GPU_BASE} AS train-gpu
# hadolint ignore=DL3008
RUN --mount=type=secret,id=apt,target=/etc/apt/apt.conf.d/99site \
    apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && { getent passwd 1000 || useradd --uid 1000 --home-dir /tmp ojala; } \
    && install -d -o 1000 /srv/ojala
WORKDIR /opt/ojala
COPY --from=gpu-packages /opt/ojala/.venv .venv
COPY . .
RUN make install
ARG GIT_COMMIT=unknown
ENV PATH=/opt/ojala/.venv/bin:$PATH HOME=/tmp DVC_SITE_CACHE_DIR=/tmp/dvc \
    PYTHONDONTWRITEBYTECODE=1 OJALA_GIT_COMMIT=$GIT_COMMIT
USER 1000
WORKDIR /srv/ojala
ENTRYPOINT ["/opt/ojala/infra/with_secrets", "/opt/ojala/infra/in_project"]
CMD ["make", "repro"]
