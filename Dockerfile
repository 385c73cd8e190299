# The image that runs the main job:
#   docker build -t ojala --build-arg GIT_COMMIT=$(git rev-parse HEAD) .
#   docker run -v ojala:/srv/ojala ojala          the volume keeps data, models, cache and runs
FROM python:3.11-slim-bookworm

# Debian's point releases take versions away: pinning them here would break the build in months.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ojala \
    && install -d -o 1000 /srv/ojala
USER 1000
WORKDIR /srv/ojala

# The packages are a layer of their own, kept until a lock changes.
COPY --chown=1000 Makefile ./
COPY --chown=1000 requirements requirements
ENV PIP_NO_CACHE_DIR=1
RUN make requirements

COPY --chown=1000 . .
RUN make install

# There is no .git in the image: the runs still say which code they ran.
ARG GIT_COMMIT=unknown
ENV OJALA_GIT_COMMIT=$GIT_COMMIT
CMD ["make", "repro"]
