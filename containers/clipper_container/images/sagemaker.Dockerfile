# A container of SageMaker's: one query frontend and one replica. It runs as root, as those do, and /opt/ml/model is a
# mount there, unless the image is to have the model.
ARG BASE=python:3.11-slim
FROM ${BASE}
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
ARG PIP_OPTIONS
ARG IMPORTS
COPY requirements /opt/clipper/requirements
# Its file system may be read-only: what is imported when it starts is compiled here, by importing it.
RUN pip install --no-cache-dir --no-compile ${PIP_OPTIONS} --require-hashes --no-deps -r /opt/clipper/requirements/locked.txt \
 && pip install --no-cache-dir --no-compile ${PIP_OPTIONS} -r /opt/clipper/requirements/others.txt \
 && python -c "import ${IMPORTS}"
ENV PYTHONPATH=/opt/clipper PYTHONUNBUFFERED=1 HOME=/tmp
COPY clipper_container /opt/clipper/clipper_container
COPY clipper_server /opt/clipper/clipper_server
COPY clipperlab-*.dist-info /opt/clipper/clipperlab.dist-info
RUN python -P -m compileall -q /opt/clipper && python -P -c "import clipper_container.__main__, \
    clipper_server.sagemaker.__main__"
COPY model /opt/ml/model
ENV PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080
ENTRYPOINT ["python", "-P", "-m", "clipper_server.sagemaker"]
CMD ["serve"]
