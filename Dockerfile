# One image for all commands: classify serve, ingest watch, the retrain job and curate.
#
#   docker build -t holotype .
#
# torch's default build has CUDA and runs on a CPU too. For an image of a fifth of the size on
# machines without a GPU, give a package index that holds CPU builds: --build-arg TORCH_INDEX=URL
# HEIC pictures are read with --build-arg EXTRAS='[heif]'; that library bundles GPL code, whose terms
# are then those of whoever passes the image on.
#
# Layers change rarely from top to bottom: system, cron, dependencies, then the code.
FROM python:3.12-slim-bookworm

ARG TARGETARCH=amd64
ARG SUPERCRONIC_VERSION=v0.2.34
ARG SUPERCRONIC_SHA1_AMD64=e8631edc1775000d119b70fd40339a7238eece14
ARG SUPERCRONIC_SHA1_ARM64=4ab6343b52bf9da592e8b4bb7ae6eb5a8e21b71e
ARG TORCH_INDEX=
ARG EXTRAS=

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# supercronic: a cron made for containers (logs to stdout, passes the environment on).
ADD https://github.com/aptible/supercronic/releases/download/${SUPERCRONIC_VERSION}/supercronic-linux-${TARGETARCH} /usr/local/bin/supercronic
RUN case "${TARGETARCH}" in \
      amd64) sum="${SUPERCRONIC_SHA1_AMD64}" ;; \
      arm64) sum="${SUPERCRONIC_SHA1_ARM64}" ;; \
      *) echo "no checksum for ${TARGETARCH}" >&2; exit 1 ;; \
    esac \
    && echo "${sum}  /usr/local/bin/supercronic" | sha1sum -c - \
    && chmod 0755 /usr/local/bin/supercronic

WORKDIR /app
COPY constraints.txt ./
# Versions are pinned, by constraints.txt, which the linter does not read.
# hadolint ignore=DL3013
RUN version="$(sed -n 's/^torch==//p' constraints.txt)" \
    && vision="$(sed -n 's/^torchvision==//p' constraints.txt)" \
    && python -m pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} \
       "torch==${version}" "torchvision==${vision}"

COPY pyproject.toml README.md LICENSE ./
COPY holotype ./holotype
COPY ingest ./ingest
COPY classify ./classify
COPY head ./head
COPY curate ./curate
# hadolint ignore=DL3013
RUN python -m pip install -c constraints.txt ".${EXTRAS}" \
    && useradd --create-home --uid 10001 holotype \
    && install -d -o holotype -g holotype /models /data /inbox
COPY deploy/crontab /etc/holotype/crontab

# Weights are downloaded once, into a volume.
ENV HF_HOME=/models \
    HOLOTYPE_HOME=/data
USER 10001
VOLUME ["/models", "/data"]
EXPOSE 8000
CMD ["classify", "serve", "--host", "0.0.0.0", "--port", "8000", "--create"]
