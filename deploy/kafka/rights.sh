#!/bin/bash
# Gives the users of Kafka the rights of the file beside it; what they have already stays.
set -euo pipefail

settings=$(mktemp)
cat >"$settings" <<PROPERTIES
security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$(cat "$SECRETS/admin")";
PROPERTIES

while read -r -a words; do
    if [[ ${#words[@]} -gt 0 && ${words[0]} != "#" ]]; then
        "$KAFKA_BIN/kafka-acls.sh" --bootstrap-server "$KAFKA" --command-config "$settings" --add "${words[@]}" </dev/null
    fi
done <"$(dirname "$0")/rights"
