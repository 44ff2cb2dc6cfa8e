#!/bin/sh
# Save the database (history, schedule, accounts) and articles of one's own: ./backup.sh [FILE]
set -eu
case $#${1-} in 0 | 1[!-]*) ;; *) echo "usage: ./backup.sh [FILE]" >&2; exit 2 ;; esac
file=${1:-backups/news-$(date +%Y%m%d-%H%M%S).tar.gz}
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$(dirname "$0")"
. containers/where.sh

umask 077
mkdir -p "$(dirname "$file")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

service=$(first_running news worker worker-gpu web)
kind=$(within "$service" python containers/database.py kind)
within "$service" python containers/database.py save >"$work/files.tar"
if [ "$kind" = postgresql ]; then
    server=$(first_running postgres)
    on_database "$server" pg_dump --format custom >"$work/news.dump"
fi
tar -C "$work" -czf "$file.part" .
mv "$file.part" "$file"
echo "Saved ($kind): $file"
