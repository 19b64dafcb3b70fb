# One image for every process of Forewarn; what it does, its command says.
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/forewarn
WORKDIR /source
COPY requirements/runtime.txt requirements/
RUN /opt/forewarn/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY forewarn forewarn
COPY services services
COPY shared shared
RUN /opt/forewarn/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/forewarn /opt/forewarn
# Nothing is written: bytecode was compiled when it was installed.
ENV PATH=/opt/forewarn/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin forewarn
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['FOREWARN_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["forewarn"]
