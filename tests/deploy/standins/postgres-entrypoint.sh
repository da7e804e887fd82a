#!/bin/sh
# What the official image does on its first start with the variables that deploy/ sets, and nothing more.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?must be set}"
  umask 077
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username="${POSTGRES_USER:-postgres}" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  rm /tmp/password
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  postgres -c listen_addresses= &
  until pg_isready -q; do sleep 0.1; done
  database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
  [ "$database" = postgres ] || psql -q -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$database\""
  kill -INT $!
  wait $! || true
fi
exec "$@" -c 'listen_addresses=*'
