# Management and query frontends, and the process that holds their port.
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG PACKAGES
ARG PIP_OPTIONS
RUN useradd --uid 1000 --no-create-home --home-dir /tmp clipper \
 && install -d -o 1000 -g 1000 /clipper /clipper/state /clipper/sockets /clipper/snapshots \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} ${PACKAGES}
ENV PYTHONPATH=/opt/clipper PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
COPY . /opt/clipper
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["python", "-P", "-m"]
