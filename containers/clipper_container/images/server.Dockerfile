# Management and query frontends, and the process that holds their port.
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG PIP_OPTIONS
ARG IMPORTS
COPY requirements /opt/clipper/requirements
# No container can write bytecode: what each imports when it starts is compiled here, by importing it, and is a small
# part of what is installed.
RUN useradd --uid 1000 --no-create-home --home-dir /tmp clipper \
 && install -d -o 1000 -g 1000 /clipper /clipper/state /clipper/sockets /clipper/snapshots \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} --require-hashes --no-deps -r /opt/clipper/requirements/locked.txt \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} -r /opt/clipper/requirements/others.txt \
 && python -c "import ${IMPORTS}"
ENV PYTHONPATH=/opt/clipper PYTHONUNBUFFERED=1 HOME=/tmp
COPY . /opt/clipper
RUN python -P -m compileall -q /opt/clipper && python -P -c "import clipper_server.__main__, \
    clipper_server.management.server, clipper_server.query.frontend, clipper_server.places.docker.hold"
ENV PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["python", "-P", "-m"]
