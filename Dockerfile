# docker build -t scenario-pipeline .
# docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/project" \
#   --env SCENARIO_SDK_API_KEY --env SCENARIO_SDK_API_SECRET \
#   scenario-pipeline run manifests/game-icons.yaml --yes

FROM python:3.12-slim AS build
COPY pyproject.toml README.md LICENSE /src/
COPY pipeline /src/pipeline
RUN python -m venv /opt/pipeline \
    && /opt/pipeline/bin/pip install --no-cache-dir --disable-pip-version-check /src

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 pipeline \
    && install --directory --owner pipeline --group pipeline /project
COPY --from=build /opt/pipeline /opt/pipeline
ENV PATH="/opt/pipeline/bin:$PATH" \
    PYTHONUNBUFFERED=1
USER pipeline
WORKDIR /project
ENTRYPOINT ["pipeline"]
CMD ["--help"]
