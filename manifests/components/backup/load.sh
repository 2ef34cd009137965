#!/bin/sh
# Puts the dump in place of what is in the database, all or nothing. After the buckets: no entry is without its files.
set -eu
pg_restore --no-owner --no-privileges --file="$FOLDER/mlflow.sql" "$FOLDER/mlflow.dump"
psql --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 --file="$SCRIPTS/empty.sql" --file="$FOLDER/mlflow.sql" \
    >/dev/null
echo "loaded the database"
