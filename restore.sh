#!/bin/sh
# Bring back what backup.sh saved, in place of what is there: ./restore.sh FILE
set -eu
[ $# = 1 ] && [ -s "$1" ] || { echo "usage: ./restore.sh FILE (made by ./backup.sh)" >&2; exit 2; }
case $1 in /*) file=$1 ;; *) file=$PWD/$1 ;; esac
cd "$(dirname "$0")"
. containers/where.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xzf "$file"

service=$(first_running news worker worker-gpu web)
kind=$(within "$service" python containers/database.py kind)
saved=sqlite
[ ! -e "$work/news.dump" ] || saved=postgresql
[ "$kind" = "$saved" ] || { echo "$file holds a database of $saved, this service has $kind." >&2; exit 1; }

within "$service" python containers/database.py load <"$work/files.tar"
if [ "$kind" = postgresql ]; then
    # All or nothing, and nobody sees half of it.
    set -- pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error --dbname
    if runs postgres; then
        docker compose exec -T postgres "$@" news -U news <"$work/news.dump"
    else
        # shellcheck disable=SC2016 # expanded by the shell that knows the database
        within "$service" python containers/database.py run sh -c '"$@" "$PGDATABASE"' sh "$@" <"$work/news.dump"
    fi
fi
within "$service" python manage.py migrate --verbosity 0 # a backup may be older than the code
within "$service" python manage.py sync_schedule
echo "Restored ($kind): $file"
