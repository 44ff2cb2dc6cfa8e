# shellcheck shell=sh
# For the scripts beside README.md, which run in its folder: where does the service run, in containers or from here?

# Succeeds where a service of docker-compose.yml runs.
runs() {
    command -v docker >/dev/null 2>&1 && docker compose ps --services --status running 2>/dev/null | grep -qx "$1"
}

# The first of these services that runs; nothing where none does.
first_running() {
    for service in "$@"; do
        if runs "$service"; then
            echo "$service"
            return
        fi
    done
}

# Runs a command in a service's container, or from this folder's .venv where the name is empty.
within() {
    service=$1
    shift
    if [ -n "$service" ]; then
        docker compose exec -T "$service" "$@"
    else
        PATH="$PWD/.venv/bin:$PATH" "$@"
    fi
}
