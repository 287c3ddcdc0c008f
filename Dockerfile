# One image for every role: `serve` (the default), `worker`, `migrate`, `sandbox`.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The dependencies first: they change less often than the code, and this layer is kept until they do.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --quiet --require-hashes --only-binary=:all: -r requirements/build.txt \
    && python -m venv --without-pip /opt/presshook \
    && /opt/build/bin/pip --python /opt/presshook install --quiet --require-hashes --only-binary=:all: \
        --no-compile -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE presshook.py ./
COPY app app
COPY migrations migrations
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/build/bin/pip --python /opt/presshook install --quiet --no-deps --no-compile /tmp/wheel/*.whl \
    # Compiled here, since the final file system is read-only and a start should not compile.
    && /opt/presshook/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/presshook/lib

FROM python:3.13-slim
# Where it is built from, if whoever builds it says so.
ARG REVISION= CREATED= SOURCE=
LABEL org.opencontainers.image.title="Presshook" \
    org.opencontainers.image.description="Orders WordPress sites from CloudPress and keeps track of them" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.created="$CREATED" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.base.name="docker.io/library/python:3.13-slim"
# The image comes without the standard library's compiled form, and a start would compile it, each time anew.
RUN python -m compileall -q --invalidation-mode unchecked-hash -x 'site-packages|/test/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
RUN groupadd --gid 10001 presshook \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin presshook \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/presshook /opt/presshook
# What all of this is made of, as CycloneDX: `docker run --rm presshook cat /opt/presshook/sbom.cdx.json`.
RUN --mount=type=bind,source=contrib/image/sbom.py,target=/tmp/sbom.py \
    /opt/presshook/bin/python /tmp/sbom.py > /opt/presshook/sbom.cdx.json
ENV PATH=/opt/presshook/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/presshook.db
USER 10001:10001
# No VOLUME: each container would leave one behind that nobody named. Mount one: `--volume presshook:/data`.
WORKDIR /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Liveness, not readiness: a database that is away is no reason to restart the service.
# `serve` answers on 8000, a `worker` on WORKER_PORT. Without that a worker listens on no port and would count as
# unhealthy for ever: run it with `docker run --no-healthcheck`, or `healthcheck: {disable: true}` in a compose file.
HEALTHCHECK --interval=30s --timeout=3s --start-period=15s --start-interval=1s --retries=3 CMD \
    ["python", "-m", "app.server.health"]
CMD ["presshook", "serve", "--host", "0.0.0.0", "--port", "8000"]
