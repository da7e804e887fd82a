#!/bin/sh
# Creates and updates Temporal's two databases. Does nothing where they are up to date, so it runs before every start.
# SQL_HOST, SQL_USER and SQL_PASSWORD say where.
set -eu

export SQL_PLUGIN=postgres12 SQL_PORT="${SQL_PORT:-5432}"
versions=/etc/temporal/schema/postgresql/v12

migrate() {
  temporal-sql-tool --db "$1" create
  temporal-sql-tool --db "$1" setup-schema -v 0.0
  temporal-sql-tool --db "$1" update-schema -d "$versions/$2/versioned"
}

migrate temporal temporal
migrate temporal_visibility visibility
echo "Temporal's schema is up to date."
