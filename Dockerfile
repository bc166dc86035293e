FROM python:3.12-slim
COPY pyproject.toml README.md LICENSE /src/
COPY app /src/app
COPY agents /src/agents
COPY tables /src/tables
RUN pip install --no-cache-dir /src && useradd --create-home forebay && install -d -o forebay /data /staging
USER forebay
ENV FOREBAY_HOST=0.0.0.0 FOREBAY_DATA_DIR=/data FOREBAY_FELDERA_AUTH=api-key
EXPOSE 6066
CMD ["forebay", "serve"]
