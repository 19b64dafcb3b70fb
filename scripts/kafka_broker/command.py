"""The command line of `scripts/kafka`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from scripts.kafka_broker.cluster import Cluster
from scripts.kafka_broker.errors import KafkaScriptError
from scripts.kafka_broker.guard import guard, start_guard
from scripts.kafka_broker.java import kafka
from scripts.kafka_broker.security import WAYS

FOLDER: Final = Path(".kafka")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; an error goes to standard error and is 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(Cluster(options.dir), options)
    except KafkaScriptError as error:
        sys.stderr.write(f"kafka: {error}\n")
        return 1
    return 0


def _start(cluster: Cluster, options: argparse.Namespace) -> None:
    started = cluster.start(options.brokers, options.port_base, options.security)
    if started and options.while_locked:
        start_guard(options.dir, options.while_locked)
    _say(f"Kafka {'runs' if started else 'runs already'}: {cluster.bootstrap}")


def _stop(cluster: Cluster, options: argparse.Namespace) -> None:
    if options.discard:
        cluster.discard()
    else:
        cluster.stop()


def _status(cluster: Cluster, options: argparse.Namespace) -> None:
    status = cluster.status()
    if options.json:
        _say(json.dumps(status, indent=1))
        return
    _say(f"bootstrap {status['bootstrap']}, active controller {status['controller'] or 'none'}")
    for node in status["nodes"]:
        _say(f"node {node['node']} {node['state']:8} port {node['port']} pid {node['pid'] or '-'} {node['log']}")
    for name, value in status["client"].items():
        _say(f"FOREWARN_KAFKA_{name.upper()}={value}")


def _tool(_: Cluster, options: argparse.Namespace) -> None:
    command = kafka().command(options.program, *options.arguments)
    os.execv(command[0], command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/kafka", description="Apache Kafka on this machine, for tests.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[Cluster, argparse.Namespace], None]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--dir", type=Path, default=FOLDER, help=f"where its data and state lie ({FOLDER})")
        added.set_defaults(run=run)
        return added

    def of_one(name: str, text: str, run: Callable[[Cluster, int], None]) -> None:
        command(name, text, lambda cluster, options: run(cluster, options.node)).add_argument(
            "node", type=int, metavar="N"
        )

    start = command("start", "start what is down and wait until the cluster is ready", _start)
    start.add_argument("--brokers", type=int, choices=(1, 3), help="of a new cluster (1)")
    start.add_argument("--port-base", type=int, metavar="N", help="clients at N, N + 1, ... (free ports are found)")
    start.add_argument("--security", choices=tuple(WAYS), help="how clients are let in (plaintext)")
    start.add_argument("--while-locked", type=Path, metavar="FILE", help="discard it when FILE is no longer locked")
    stop = command("stop", "end all brokers; their data stay", _stop)
    stop.add_argument("--discard", action="store_true", help="kill them and delete their data")
    command("wait", "return once the brokers that are up take records and serve groups", lambda it, _: it.wait())
    status = command("status", "say what runs where", _status)
    status.add_argument("--json", action="store_true", help="for programs")
    of_one("kill", "end a broker as a crash does", Cluster.kill)
    of_one("pause", "let a broker stand still", Cluster.pause)
    of_one("resume", "let a paused broker go on", Cluster.resume)
    of_one("start-one", "start a broker again, without waiting", Cluster.start_one)
    tool = command("tool", "run a program of Kafka, such as org.apache.kafka.tools.TopicCommand", _tool)
    tool.add_argument("program", metavar="CLASS")
    tool.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    watch = command("guard", "what start --while-locked leaves behind", lambda it, given: guard(it, given.lock))
    watch.add_argument("lock", type=Path)
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
