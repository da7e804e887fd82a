#!/bin/sh
# Takes the arguments of Temporal's own tool and uses the same database, whose tables only the real one can make.
set -eu

[ "$SQL_PLUGIN" = postgres12 ] && [ "$1" = --db ]
database=$2
shift 2
export PGPASSWORD="$SQL_PASSWORD"
connect="psql -q -v ON_ERROR_STOP=1 -h $SQL_HOST -p $SQL_PORT -U $SQL_USER"

case "$1" in
  create)
    if [ -z "$($connect -d postgres -At -c "SELECT 1 FROM pg_database WHERE datname = '$database'")" ]; then
      $connect -d postgres -c "CREATE DATABASE \"$database\""
    fi
    ;;
  setup-schema)
    [ "$2 $3" = "-v 0.0" ]
    $connect -d "$database" -c "CREATE TABLE IF NOT EXISTS schema_version (version text PRIMARY KEY)" 2>/dev/null
    ;;
  update-schema)
    [ "$2" = -d ] && [ -d "$3" ]
    $connect -d "$database" -c "INSERT INTO schema_version VALUES ('1.0') ON CONFLICT DO NOTHING"
    ;;
  *) exit 2 ;;
esac
