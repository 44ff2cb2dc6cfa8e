# shellcheck shell=sh
# For the scripts beside README.md, which run in its folder: where does the service run, in containers or from here?

# Prints the first of these services of docker-compose.yml that runs; nothing where there is no container of it: the
# service runs from here. Fails where there are containers but none of these runs: what is here is another database.
first_running() {
    docker compose version >/dev/null 2>&1 || return 0
    if ! containers=$(docker compose ps --all --quiet); then
        echo "Docker does not say whether the service has containers here." >&2
        return 1
    fi
    [ -n "$containers" ] || return 0
    running=$(docker compose ps --services --status running) || return 1
    for service in "$@"; do
        if echo "$running" | grep -qx "$service"; then
            echo "$service"
            return
        fi
    done
    echo "The service has containers here, but none of these runs: $*." >&2
    echo "Start it, or, if it runs without containers now, remove what is left: docker compose down." >&2
    return 1
}

# Runs a command in a service's container, or from this folder's .venv where the name is empty.
within() {
    if [ -n "$1" ]; then
        docker compose exec -T "$@"
    else
        shift
        PATH="$PWD/.venv/bin:$PATH" "$@"
    fi
}

# Runs a program of PostgreSQL on the database: in its server's container, or from here where the name is empty.
on_database() {
    if [ -n "$1" ]; then
        docker compose exec -T -e PGUSER=news -e PGDATABASE=news "$@"
    else
        shift
        within "" python containers/database.py run "$@"
    fi
}
