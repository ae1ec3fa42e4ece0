# Workers of distributed runs (etle reprocess-worker): inference as in the image of detect, with PostgreSQL and S3 clients; no web stack.
#   docker build -f deploy/docker/reprocess.Dockerfile -t etle-reprocess .
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY etle etle
COPY etle_cli etle_cli
COPY ingest ingest
COPY models models
COPY pipeline pipeline
COPY review review
COPY configs configs
RUN python -m venv /opt/etle \
    && /opt/etle/bin/pip install --no-cache-dir --no-compile --require-hashes --requirement requirements/reprocess.txt \
    && /opt/etle/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation .
# Weights are part of the image and verified by digest, so that a starting worker downloads nothing.
ENV ETLE_MODELS=/opt/etle/models
RUN /opt/etle/bin/etle models pull

FROM python:${PYTHON}
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin etle \
    && install -d -o etle -g etle -m 0700 /var/lib/etle
COPY --from=build /opt/etle /opt/etle
ENV PATH=/opt/etle/bin:$PATH PYTHONUNBUFFERED=1 ETLE_MODELS=/opt/etle/models ETLE_DATA=/var/lib/etle
# The archive, if it is in a folder.
VOLUME /var/lib/etle
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["etle"]
CMD ["reprocess-worker", "/etc/etle/site.yaml", "--metrics", "0.0.0.0:9464", "--log", "json"]
