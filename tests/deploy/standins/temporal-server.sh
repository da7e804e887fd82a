#!/bin/sh
# Temporal's development server in the place of its production server. It keeps its data in SQLite, but starts only when
# what the production server needs is there: the schema in PostgreSQL, and the dynamic configuration.
set -eu

[ "$DB" = postgres12 ]
export PGPASSWORD="$POSTGRES_PWD"
for database in temporal temporal_visibility; do
  psql -q -h "$POSTGRES_SEEDS" -p "$DB_PORT" -U "$POSTGRES_USER" -d "$database" -c 'SELECT version FROM schema_version' >/dev/null
done
values=$(sed -n -e '/^[a-z].*:$/{s/:$//;h;}' -e '/^ *- value: /{s///;G;s/\(.*\)\n\(.*\)/--dynamic-config-value \2=\1/p;}' \
  "$DYNAMIC_CONFIG_FILE_PATH")
[ -n "$values" ]
# shellcheck disable=SC2086
exec temporal server start-dev --ip "$BIND_ON_IP" --headless --log-level "${LOG_LEVEL:-info}" \
  --db-filename /var/lib/temporal/temporal.db --sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=normal $values
