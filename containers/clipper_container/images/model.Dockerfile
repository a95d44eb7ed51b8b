# What a model runs in. The packages lie below the code, so that a change of the code takes a second.
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG PIP_OPTIONS
ARG IMPORTS
ARG CUDA
COPY requirements /opt/clipper/requirements
# No container can write bytecode: what each imports when it starts is compiled here, by importing it, and is a small
# part of what is installed.
RUN useradd --uid 1000 --no-create-home --home-dir /tmp clipper \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} --require-hashes --no-deps -r /opt/clipper/requirements/locked.txt \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} -r /opt/clipper/requirements/others.txt \
 && python -c "import ${IMPORTS}" \
 && if [ -n "${CUDA}" ]; then python -c "import torch, sys; torch.version.cuda or sys.exit( \
    'This build of torch has no CUDA. pip options name an index that has one.')"; fi
ENV PYTHONPATH=/opt/clipper PYTHONUNBUFFERED=1 HOME=/tmp
COPY . /opt/clipper
RUN python -P -m compileall -q /opt/clipper && python -P -c "import clipper_container.__main__"
ENV PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["python", "-P", "-m", "clipper_container"]
