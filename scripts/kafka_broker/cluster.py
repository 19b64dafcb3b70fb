"""The cluster of a folder: started, stopped, harmed and asked about, each by a process that then ends."""

import base64
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from scripts.kafka_broker import processes, readiness
from scripts.kafka_broker.errors import KafkaScriptError
from scripts.kafka_broker.java import SMALL, Kafka, kafka, locked
from scripts.kafka_broker.ports import choose
from scripts.kafka_broker.properties import properties
from scripts.kafka_broker.security import (
    WAYS,
    client_settings,
    format_arguments,
    listener_settings,
    make_certificates,
    new_password,
)
from scripts.kafka_broker.state import Node, State, load, save

HEAP: Final = "-Xmx192m"
STOP_SECONDS: Final = 8
"""Three healthy nodes that are told at the same time end within six."""
KILL_SECONDS: Final = 10
LOG_LINES: Final = 15


class Cluster:
    """What a folder holds: settings, data and logs of each node, and the state that says which processes they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def start(self, count: int | None, port_base: int | None, security: str | None) -> bool:
        """Make the cluster if there is none, start what is down, wake what is paused and wait until all is well.
        False: it ran already."""
        program = kafka()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            state = load(self._state_file)
            if state is None:
                state = self._make(count or 1, port_base, security or "plaintext")
            else:
                _refuse_other_shape(state, count, port_base, security)
            self._resume(state)
            down = [node for node in state.nodes if not self._runs(node)]
            self._launch(program, state, down)
        self._wait(must_live=down)
        return bool(down)

    def start_one(self, number: int) -> None:
        """Start one node again. It does not wait: alone it may never become ready."""
        program = kafka()
        with self._locked():
            state = self._state()
            node = _node(state, number)
            if self._runs(node):
                raise KafkaScriptError(f"node {number} runs already")
            self._launch(program, state, [node])

    def wait(self) -> None:
        """Return once the nodes that are up take records for every partition and serve groups."""
        self._wait(must_live=())

    def stop(self) -> None:
        """Ask all nodes to end at the same time: one that ends alone may wait for the others for ever."""
        with self._locked():
            self._end(self._state().nodes, signal.SIGTERM, STOP_SECONDS)

    def discard(self) -> None:
        """End all nodes at once and delete what they wrote."""
        if load(self._state_file) is not None:
            with self._locked():
                self._end(self._state().nodes, signal.SIGKILL, KILL_SECONDS)
                shutil.rmtree(self.folder)

    def kill(self, number: int) -> None:
        """End one node as a crash does, paused or not."""
        with self._locked():
            self._end([_node(self._state(), number)], signal.SIGKILL, KILL_SECONDS)

    def pause(self, number: int) -> None:
        """Let one node stand still, with its connections open, as a machine does that hangs."""
        self._signal(number, signal.SIGSTOP, paused=True)

    def resume(self, number: int) -> None:
        """Let a paused node go on."""
        self._signal(number, signal.SIGCONT, paused=False)

    def status(self) -> dict[str, Any]:
        """Nodes, addresses, active controller, and what a client needs to get in."""
        state = self._state()
        live = self._live(state)
        way = WAYS[state.security]
        return {
            "dir": str(self.folder),
            "running": all(self._runs(node) for node in state.nodes),
            "bootstrap": state.bootstrap,
            "controller": readiness.active_controller(live),
            "client": client_settings(way, state.password, self._certificates),
            "nodes": [self._node_status(node) for node in state.nodes],
        }

    @property
    def bootstrap(self) -> str:
        """Where clients begin."""
        return self._state().bootstrap

    def _make(self, count: int, port_base: int | None, security: str) -> State:
        way = WAYS[security]
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        nodes = [Node(number, ports) for number, ports in enumerate(choose(count, port_base), start=1)]
        state = State(identity, security, nodes, new_password() if way.password else "")
        if way.tls:
            make_certificates(self._certificates)
        listener = listener_settings(way, state.password, self._certificates)
        for node in nodes:
            text = properties(state, node, self._data(node), listener, way.protocol)
            self._settings(node).write_text(text)
        save(self._state_file, state)
        return state

    def _launch(self, program: Kafka, state: State, nodes: Sequence[Node]) -> None:
        self._format(program, state, [node for node in nodes if not (self._data(node) / "meta.properties").exists()])
        for node in nodes:
            command = program.command("kafka.Kafka", str(self._settings(node)), options=(*SMALL, HEAP))
            node.pid, node.paused = processes.launch(command, self._log(node), self._mark), False
        save(self._state_file, state)

    def _format(self, program: Kafka, state: State, nodes: Sequence[Node]) -> None:
        # Joined by "=": one id in 64 begins with a hyphen and would be read as an option.
        arguments = [
            "format",
            f"--cluster-id={state.cluster_id}",
            *format_arguments(WAYS[state.security], state.password),
        ]
        if len(state.nodes) == 1:
            arguments.append("--standalone")
        commands = [
            program.command("kafka.tools.StorageTool", *arguments, "-c", str(self._settings(node))) for node in nodes
        ]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for command in commands
        ]
        outputs = [process.communicate()[0] for process in running]
        for process, output in zip(running, outputs, strict=True):
            if process.returncode:
                raise KafkaScriptError(f"the storage of a node could not be made:\n{output}")

    def _end(self, nodes: Collection[Node], with_signal: signal.Signals, seconds: float) -> None:
        pids = [node.pid for node in nodes if node.pid is not None and self._runs(node)]
        for pid in pids:
            processes.send(pid, with_signal)
            # A paused process hears nothing but SIGKILL before it goes on.
            processes.send(pid, signal.SIGCONT)
        left = processes.wait_gone(pids, self._mark, seconds)
        for pid in left:
            processes.send(pid, signal.SIGKILL)
        if stubborn := processes.wait_gone(left, self._mark, KILL_SECONDS):
            raise KafkaScriptError(f"processes {stubborn} do not end, not even killed")

    def _signal(self, number: int, with_signal: signal.Signals, *, paused: bool) -> None:
        with self._locked():
            state = self._state()
            node = _node(state, number)
            if node.pid is None or not self._runs(node):
                raise KafkaScriptError(f"node {number} is down")
            processes.send(node.pid, with_signal)
            node.paused = paused
            save(self._state_file, state)

    def _resume(self, state: State) -> None:
        for node in state.nodes:
            if node.pid is not None and node.paused and self._runs(node):
                processes.send(node.pid, signal.SIGCONT)
            node.paused = False

    def _wait(self, must_live: Collection[Node]) -> None:
        def live() -> list[Node]:
            for node in must_live:
                if not self._runs(node):
                    raise KafkaScriptError(f"node {node.number} ended at once:\n{self._log_end(node)}")
            return self._live(self._state())

        readiness.wait_ready(live)

    def _live(self, state: State) -> list[Node]:
        return [node for node in state.nodes if self._runs(node) and not node.paused]

    def _runs(self, node: Node) -> bool:
        return processes.runs(node.pid, str(self._settings(node)))

    def _state(self) -> State:
        state = load(self._state_file)
        if state is None:
            raise KafkaScriptError(f"no Kafka in {self.folder}: start it first, or say where it is with --dir")
        return state

    def _node_status(self, node: Node) -> dict[str, Any]:
        runs = self._runs(node)
        return {
            "node": node.number,
            "state": ("paused" if node.paused else "running") if runs else "down",
            "pid": node.pid if runs else None,
            "port": node.ports.client,
            "internal_port": node.ports.internal,
            "controller_port": node.ports.controller,
            "log": str(self._log(node)),
        }

    def _log_end(self, node: Node) -> str:
        return "\n".join(self._log(node).read_text(errors="replace").splitlines()[-LOG_LINES:])

    def _locked(self) -> AbstractContextManager[None]:
        if not self.folder.is_dir():
            self._state()
        return locked(self.folder / "lock")

    @property
    def _mark(self) -> str:
        return f"{self.folder}{os.sep}node-"

    @property
    def _state_file(self) -> Path:
        return self.folder / "cluster.json"

    @property
    def _certificates(self) -> Path:
        return self.folder / "certificates"

    def _settings(self, node: Node) -> Path:
        return self.folder / f"node-{node.number}.properties"

    def _data(self, node: Node) -> Path:
        return self.folder / f"data-{node.number}"

    def _log(self, node: Node) -> Path:
        return self.folder / f"node-{node.number}.log"


def _node(state: State, number: int) -> Node:
    for node in state.nodes:
        if node.number == number:
            return node
    raise KafkaScriptError(f"no node {number}: there are {len(state.nodes)}")


def _refuse_other_shape(state: State, count: int | None, port_base: int | None, security: str | None) -> None:
    wanted = (
        count or len(state.nodes),
        port_base or state.nodes[0].ports.client,
        security or state.security,
    )
    if wanted != (len(state.nodes), state.nodes[0].ports.client, state.security):
        raise KafkaScriptError(
            f"this folder has a cluster of {len(state.nodes)}, {state.security}, at {state.bootstrap}: "
            "give the same options or none, another --dir, or remove it with stop --discard"
        )
