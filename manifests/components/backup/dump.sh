#!/bin/sh
# Dumps MLflow's database: runs, registered models, the log of promotions, users. Before the buckets are copied: then it
# names only files that were there already and are copied after it.
# PGHOST … say where it is, FOLDER where the dump goes.
set -eu
stamp=$(date -u +%Y%m%dT%H%M%SZ)
pg_dump --format=custom --no-owner --no-privileges --file="$FOLDER/new"
# Reads all of it.
pg_restore --file=/dev/null "$FOLDER/new"
mv "$FOLDER/new" "$FOLDER/$stamp.dump"
echo "dumped the database: $stamp, $(wc -c <"$FOLDER/$stamp.dump") bytes"
