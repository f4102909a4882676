# The last commit, set up, for a user without rights:
#   docker build -t offcut . && docker run --rm -it offcut
# Where pip finds no CPU build of torch it takes the one with CUDA, some gigabytes; an
# index of CPU builds: docker build --build-arg PIP_EXTRA_INDEX_URL=... -t offcut .

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates git make python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --shell /bin/bash offcut \
 && install -d -o offcut -g offcut /offcut
USER offcut

FROM base AS offcut
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /offcut
COPY --chown=offcut:offcut .git .git
RUN git reset --hard --quiet \
 && git config user.name offcut && git config user.email offcut@localhost
RUN PIP_NO_CACHE_DIR=1 make setup
ENV PATH=/offcut/.venv/bin:$PATH
CMD ["offcut", "run"]
