# The lettershop's image: what `pip install` of the wheel gives, for one unprivileged user.
# Every package is pinned with its hash in requirements/; the base image is pinned by its tag.
ARG PYTHON=3.12.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --no-deps -r requirements/build.txt \
 && python -m venv /opt/lettershop \
 && /opt/lettershop/bin/pip install --require-hashes --no-deps -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY worker worker
COPY config config
COPY templates templates
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/lettershop/bin/pip install --no-deps /wheels/*.whl

FROM python:${PYTHON}
COPY --from=build /opt/lettershop /opt/lettershop
ENV PATH=/opt/lettershop/bin:$PATH \
    LETTERSHOP_HOME=/srv/lettershop \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The user may be another one (compose sets it, so that it can read the secrets); var/ takes anybody, like /tmp.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin lettershop \
 && mkdir -p /srv/lettershop/config /srv/lettershop/templates \
 && install -d -m 1777 /srv/lettershop/var
USER 10001:10001
WORKDIR /srv/lettershop
STOPSIGNAL SIGTERM
ENTRYPOINT ["lettershop"]
CMD ["worker"]
