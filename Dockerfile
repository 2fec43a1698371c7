# The build stages have the tools; the image has Python, the packages and the configuration, about 45 MB above the base.
FROM node:20-slim AS page

WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY dashboard ./
RUN npm run build


FROM python:3.11-slim AS build

COPY requirements-build.lock /
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /requirements-build.lock
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
RUN uv venv /opt/monitor

# Packages first, so that a change of the code does not fetch them again. The lock is a constraint: its versions and hashes
# hold for what is installed, and the packages that only tests need stay out.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --no-cache --python /opt/monitor --constraint requirements.lock --requirement pyproject.toml

COPY README.md hatch_build.py ./
COPY monitor monitor
COPY --from=page /src/monitor/web/static monitor/web/static
RUN hatchling build --target wheel --directory /dist && uv pip install --no-cache --python /opt/monitor --no-deps /dist/*.whl

# The engine's loops, compiled for any processor of this kind, so that no start compiles. A loop belongs to the bytes and the time
# of its source; a layer keeps whole seconds of a time and no more.
ENV NUMBA_CPU_NAME=generic
RUN find /opt/monitor -path '*/monitor/engine/*' -name '*.py' -exec sh -c 'for f; do touch -d "@$(stat -c %Y "$f")" "$f"; done' sh {} + \
    && NUMBA_CACHE_DIR=/opt/monitor/kernels /opt/monitor/bin/monitor kernels


FROM python:3.11-slim

# A fixed number, so that the owner of a mounted volume or secret can be stated.
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app monitor \
    && install -d -o monitor -g monitor /app /app/var
COPY --from=build /opt/monitor /opt/monitor
COPY config /app/config
# The daemon copies the compiled loops to a folder that may be written and lost, as the compiler reads from no other. Without
# the name of the processor it would compile them again for the one that it finds.
ENV PATH="/opt/monitor/bin:$PATH" PYTHONUNBUFFERED=1 \
    NUMBA_CPU_NAME=generic MONITOR_KERNELS=/opt/monitor/kernels NUMBA_CACHE_DIR=/tmp/numba-cache
WORKDIR /app
USER 10001

# The store, the mails of the demonstration and the event log: all that the daemon writes.
VOLUME /app/var
EXPOSE 8080
STOPSIGNAL SIGTERM

# The image has no curl. A proxy of the environment must not be asked for an address inside the container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=4).close()"]

ENTRYPOINT ["monitor"]
CMD ["run", "--config", "config/monitor.toml"]
