# Two images from one file: `runtime` is the backend and the worker, `web` is nginx with the exported page.
#   docker build --target runtime -t aistudio/runtime:TAG .
#   docker build --target web -t aistudio/web:TAG .

ARG PYTHON_IMAGE=python:3.13.9-slim-trixie
ARG NGINX_IMAGE=nginx:1.28.0-alpine-slim

FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# What runs later has no installer beside it.
RUN python3 -m venv /opt/installer && python3 -m venv --without-pip /opt/aistudio
COPY deploy/requirements/base.txt /tmp/base.txt
RUN /opt/installer/bin/pip --python /opt/aistudio/bin/python3 install --require-hashes --no-deps -r /tmp/base.txt

# The page, built with a Node that comes as a wheel.
FROM packages AS page
ENV PATH=/opt/aistudio/bin:$PATH
COPY deploy/requirements/build.txt /tmp/build.txt
RUN /opt/installer/bin/pip --python /opt/aistudio/bin/python3 install --require-hashes --no-deps -r /tmp/build.txt
COPY pyproject.toml README.md rxconfig.py ./
COPY aistudio aistudio
COPY assets assets
COPY reflex.lock reflex.lock
# The version and the command; the code itself runs from /app, beside the migrations.
RUN /opt/installer/bin/pip --python /opt/aistudio/bin/python3 install --no-deps --no-build-isolation --prefix /package . \
  && rm -r /package/lib/python*/site-packages/aistudio
RUN reflex export --frontend-only --no-zip && python3 -m aistudio.ui.site .web /tmp/page.conf

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/aistudio/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /app
COPY --from=packages /opt/aistudio /opt/aistudio
COPY --from=page /package /opt/aistudio
COPY rxconfig.py ./
COPY alembic alembic
COPY aistudio aistudio
RUN python3 -m compileall -q aistudio
COPY --from=page /app/.web/backend .web/backend
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=6 \
  CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/api/health/live', timeout=2)"]
CMD ["aistudio", "backend", "--host", "0.0.0.0"]

FROM ${NGINX_IMAGE} AS web
COPY deploy/nginx/nginx.conf deploy/nginx/proxy.conf deploy/nginx/headers.conf /etc/nginx/
COPY --from=page /tmp/page.conf /etc/nginx/page.conf
COPY --from=page /app/.web/build/client /usr/share/nginx/html
USER 101:101
EXPOSE 8080
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=6 \
  CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/favicon.svg"]
ENTRYPOINT []
CMD ["nginx", "-g", "daemon off;"]
