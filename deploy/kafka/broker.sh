#!/bin/bash
# One broker that lets in only users it knows and lets them do only what they were given (rights.sh). On empty storage
# it makes the users first; a password that changes later is set with kafka-configs.
set -euo pipefail

scram=org.apache.kafka.common.security.scram.ScramLoginModule
settings=$(mktemp)
cat >"$settings" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=CLIENT://$KAFKA_LISTEN,CONTROLLER://$KAFKA_CONTROLLER
advertised.listeners=CLIENT://$KAFKA_ADVERTISED
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=$KAFKA_CONTROLLER
inter.broker.listener.name=CLIENT
# The controller listens inside this container only; whoever is there needs no password.
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=$scram required username="admin" password="$(cat "$SECRETS/admin")";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
log.dirs=$KAFKA_DATA
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
PROPERTIES

if [ ! -e "$KAFKA_DATA/meta.properties" ]; then
    users=()
    for user in "$SECRETS"/*; do
        users+=("--add-scram=SCRAM-SHA-512=[name=$(basename "$user"),password=$(cat "$user")]")
    done
    # Joined by "=": one id in 64 begins with a hyphen and would be read as an option.
    "$KAFKA_BIN/kafka-storage.sh" format --standalone --config "$settings" \
        --cluster-id="$("$KAFKA_BIN/kafka-storage.sh" random-uuid)" "${users[@]}"
fi
exec "$KAFKA_BIN/kafka-server-start.sh" "$settings"
