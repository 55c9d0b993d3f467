# The operator's image. Everything it installs is made outside, so the build needs no network:
#
#   pip download --require-hashes --no-deps --only-binary=:all: --python-version 3.13 \
#     --requirement requirements.lock --dest dist/wheels/dependencies
#   pip wheel --no-deps --wheel-dir dist/wheels .
#   docker build --tag fairlead/fairlead:dev .
#
# --python-version must be the one of BASE. `e2e/cluster operator-image` does all three without
# Docker, on a base of Debian packages.
ARG BASE=python:3.13-slim

# The dependencies are a stage of their own: they change with the lock, not with each commit.
FROM ${BASE} AS dependencies
COPY requirements.lock /build/requirements.lock
COPY dist/wheels/dependencies /build/wheels
# Byte code that never looks at its source: start-up saves a stat a module, and a read-only root
# could not be written to anyway.
RUN python -m venv --without-pip /opt/fairlead \
 && python -m pip --python /opt/fairlead/bin/python install --no-index --find-links /build/wheels \
      --require-hashes --no-deps --no-compile --no-cache-dir --requirement /build/requirements.lock \
 && /opt/fairlead/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/fairlead/lib

FROM ${BASE}
COPY --from=dependencies /opt/fairlead /opt/fairlead
COPY dist/wheels/fairlead-*.whl /opt/
RUN python -m pip --python /opt/fairlead/bin/python install --no-index --no-deps --no-compile \
      --no-cache-dir /opt/fairlead-*.whl \
 && rm /opt/fairlead-*.whl \
 && /opt/fairlead/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      /opt/fairlead/lib/python3*/site-packages/fairlead
ENV PATH=/opt/fairlead/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["fairlead"]
