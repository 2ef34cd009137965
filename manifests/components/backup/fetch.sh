#!/bin/sh
# Brings back the dump $DUMP ("latest", or the time in its name) and the buckets as they were at its time. Files that came
# later stay: nothing names them any more, and `palm gc` removes them.
set -eu
# Lists are files first, as the exit code of a pipe is that of its end.
rclone lsf "$DESTINATION/database" >"$FOLDER/dumps"
stamp=$DUMP
if [ "$DUMP" = latest ]; then
    newest=$(sort "$FOLDER/dumps" | tail -n 1)
    stamp=${newest%.dump}
fi
grep -q -x "$stamp.dump" "$FOLDER/dumps" || {
    echo "error: DUMP=$DUMP: is not in $DESTINATION/database; give one of: $(sort "$FOLDER/dumps" | xargs)" >&2
    exit 1
}
rclone copyto "$DESTINATION/database/$stamp.dump" "$FOLDER/mlflow.dump"
rclone copy "$DESTINATION/files" source:
rclone lsf --dirs-only --recursive --max-depth 2 "$DESTINATION" >"$FOLDER/folders"
# The newest first: what was replaced twice since then comes back as it was before the first time.
for replaced in $(sed -n 's|^replaced/\([^/]*\)/$|\1|p' "$FOLDER/folders" | sort -r); do
    if expr "$replaced" ">" "$stamp" >/dev/null; then rclone copy "$DESTINATION/replaced/$replaced" source:; fi
done
echo "fetched the backup $stamp"
