#!/bin/sh
# Copies the buckets, then the dump, so that a dump in the backup has all its files there. What has changed or gone since
# the last backup is put aside, as earlier dumps need it.
#   DESTINATION/files/BUCKET          as of the last backup
#   DESTINATION/replaced/STAMP/BUCKET what the backup of that time has replaced or removed there
#   DESTINATION/database/STAMP.dump
set -eu
for dump in "$FOLDER"/*.dump; do stamp=$(basename "$dump" .dump); done
for bucket in $SOURCES; do
    rclone sync "source:$bucket" "$DESTINATION/files/$bucket" --backup-dir "$DESTINATION/replaced/$stamp/$bucket"
done
rclone copyto "$dump" "$DESTINATION/database/$stamp.dump"

# Only after a backup that is whole: old ones stay as long as there is none. Lists are files first, as the exit code of a
# pipe is that of its end.
rclone delete --min-age "${KEEP_DAYS}d" --exclude "$stamp.dump" "$DESTINATION/database"
rclone lsf "$DESTINATION/database" >"$FOLDER/dumps"
oldest=$(sort "$FOLDER/dumps" | head -n 1)
oldest=${oldest%.dump}
rclone lsf --dirs-only --recursive --max-depth 2 "$DESTINATION" >"$FOLDER/folders"
for replaced in $(sed -n 's|^replaced/\([^/]*\)/$|\1|p' "$FOLDER/folders"); do
    # The dumps that needed it are gone.
    if expr "$replaced" "<=" "$oldest" >/dev/null; then rclone purge "$DESTINATION/replaced/$replaced"; fi
done
echo "backup $stamp is whole; the oldest is $oldest"
