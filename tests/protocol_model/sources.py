"""The sources' side of a request: asking until answered, beats after the answers (P5), merges in their own time."""

from collections.abc import Iterable

from tests.protocol_model.operations import wait
from tests.protocol_model.service import Service
from tests.protocol_model.snapshots import IDLE, Steps, beat_id
from tests.protocol_model.story import Command, Stream
from tests.protocol_model.world import World

PATIENCE = 60
"""After so long without an answer a source asks again, with the same key."""


def deliver(world: World, service: Service, stream: Stream) -> Steps:
    """Stride by stride; the beat only when everything it covers was answered."""
    for stride in stream.strides:
        *first, last = stride.phases
        for phase in first:
            yield from _ask(world, service, stream, phase)
        if world.safeguards.beat_waits_for_answers:
            yield from _ask(world, service, stream, last)
            yield from _ask(world, service, stream, (stride.beat,))
        else:
            yield from _ask(world, service, stream, (*last, stride.beat))
    world.unfinished.discard(f"{stream.source} {stream.kind}")


def link(world: World, service: Service) -> Steps:
    """Merges and unmerges, one after another."""
    for pause, command in world.story.links:
        yield from wait(world, pause, pause)
        yield from _ask(world, service, Stream("staff", "link"), (command,))
    world.unfinished.discard("links")


def ask_again(world: World) -> Steps:
    """After a restore sources send some of what was answered and is lost; what they promised always."""
    while True:
        while world.lost:
            service, command = world.lost.popleft()
            service.answered.discard(command.key)
            yield from _until_answered(world, service, (command,))
        yield IDLE


def _ask(world: World, service: Service, stream: Stream, commands: Iterable[Command]) -> Steps:
    """What the next beat of the stream will speak for."""
    wanted = list(commands)
    for command in wanted:
        world.asked[command.key] = command
        world.truth.asked(beat_id(stream.source, stream.kind), command.key)
    yield from _until_answered(world, service, wanted)


def _until_answered(world: World, service: Service, commands: Iterable[Command]) -> Steps:
    missing = list(commands)
    for command in missing:
        twice = world.rng.random() < world.faults.repeated_request
        world.counts["repeated requests"] += twice
        service.requests.extend([command] * (2 if twice else 1))
    asked = world.now
    while missing:
        yield IDLE
        missing = [command for command in missing if command.key not in service.answered]
        if world.now - asked > PATIENCE:
            service.requests.extend(missing)
            asked = world.now
