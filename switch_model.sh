#!/bin/sh
# Judge with another pair of models from now on, without a restart: ./switch_model.sh {cpu|gpu} NAME
set -eu
usage() {
    echo "usage: ./switch_model.sh {cpu|gpu} NAME" >&2
    exit 2
}
[ $# = 2 ] && [ -n "$2" ] || usage
cd "$(dirname "$0")"
. containers/where.sh

case $1 in
    cpu) service=$(first_running news worker) ;;
    gpu) service=$(first_running worker-gpu) ;;
    *) usage ;;
esac
within "$service" python manage.py switch_model "$2"
