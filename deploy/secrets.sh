#!/bin/sh
# Makes the passwords and keys of an installation, once, and gives each container its own in a folder nobody else sees.
# Run again it makes only what is missing, so an installation that grew keeps what it had.
set -eu

services="customer orders credit alerting notify"
made="$SECRETS/made"
mkdir -p "$made"

make_once() {
    if [ ! -s "$made/$1" ]; then
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$made/$1.new"
        mv "$made/$1.new" "$made/$1"
    fi
}

give() { # folder, name, content
    mkdir -p "$SECRETS/$1"
    printf '%s' "$3" >"$SECRETS/$1/$2"
}

give_made() { # folder, name, which
    make_once "$3"
    give "$1" "$2" "$(cat "$made/$3")"
}

url() { # role, database
    make_once "database-$1"
    printf 'postgresql://forewarn_%s:%s@%s/forewarn_%s' "$1" "$(cat "$made/database-$1")" "$POSTGRES" "$2"
}

give_made postgres superuser database-superuser
give_made kafka admin kafka-admin
give_made kafka forewarn-ops kafka-forewarn-ops
for service in $services; do
    give "$service" database_url "$(url "$service" "$service")"
    give migrate "database_url_$service" "$(url "${service}_owner" "$service")"
    give_made postgres "$service" "database-$service"
    give_made postgres "${service}_owner" "database-${service}_owner"
done
for user in $services migrate; do
    give_made "$user" token_key token-key
    give_made "$user" kafka_password "kafka-forewarn-$user"
    give_made kafka "forewarn-$user" "kafka-forewarn-$user"
done
