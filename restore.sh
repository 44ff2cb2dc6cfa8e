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

within "$service" python containers/database.py check <"$work/files.tar"
if [ "$kind" = postgresql ]; then
    server=$(first_running postgres)
    # Whole before psql sees any of it: a dump that breaks off would be committed as far as it goes.
    {
        cat containers/drop_tables.sql
        on_database "$server" pg_restore --no-owner --no-comments --file - <"$work/news.dump"
    } >"$work/news.sql"
    set -- --no-psqlrc --quiet --single-transaction --set ON_ERROR_STOP=1 --output /dev/null --file -
    on_database "$server" psql "$@" <"$work/news.sql"
fi
within "$service" python containers/database.py load <"$work/files.tar"
within "$service" python manage.py migrate --verbosity 0 # a backup may be older than the code
within "$service" python manage.py sync_schedule
echo "Restored ($kind): $file"
