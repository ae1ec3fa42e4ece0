# Review application: the web stack, PostgreSQL and S3 clients; no OpenCV, no models, no Kafka client.
#   docker build -f deploy/docker/review.Dockerfile -t etle-review .
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
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
    && /opt/etle/bin/pip install --no-cache-dir --no-compile --require-hashes --requirement requirements/review.txt \
    && /opt/etle/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation .

FROM python:${PYTHON}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin etle \
    && install -d -o etle -g etle -m 0700 /var/lib/etle
COPY --from=build /opt/etle /opt/etle
ENV PATH=/opt/etle/bin:$PATH PYTHONUNBUFFERED=1 ETLE_DATA=/var/lib/etle
USER 10001:10001
EXPOSE 8080 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/sign-in', timeout=4)"]
ENTRYPOINT ["etle"]
CMD ["review", "--host", "0.0.0.0", "--port", "8080", "--metrics", "0.0.0.0:9464", "--log", "json"]
