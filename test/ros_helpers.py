"""A ROS graph of one's own: a domain that no other test run uses, and threads that spin."""

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
DOMAIN = int(os.environ.get("ROS_DOMAIN_ID") or 1 + os.getpid() % 99)


@contextmanager
def ros_graph(domain=DOMAIN):
    """Yield a Graph; afterwards its nodes and its context are gone."""
    graph = Graph(domain)
    try:
        yield graph
    finally:
        graph.close()


class Graph:
    """Nodes in one process, each with an executor and a thread of its own."""

    def __init__(self, domain):
        import rclpy

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self._running = []

    def add(self, kind, **options):
        """Make a node and spin it."""
        from rclpy.parameter import Parameter

        given = options.pop("parameters", {})
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = kind(context=self.context, parameter_overrides=overrides, **options)
        return self.spin(node)

    def node(self, name="observer"):
        """Make a plain node and spin it."""
        from rclpy.node import Node

        return self.spin(Node(name, context=self.context))

    def spin(self, node):
        from rclpy.executors import SingleThreadedExecutor

        executor = SingleThreadedExecutor(context=self.context)
        for each in (node, *getattr(node, "nodes", ())):
            executor.add_node(each)
        stop = threading.Event()

        def work():
            while not stop.is_set():
                executor.spin_once(timeout_sec=0.02)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._running.append((node, executor, stop, thread))
        return node

    def change(self, node, *changes):
        """Take a node through changes of its lifecycle in its own thread, as services do.

        From another thread a timer of the node could meet what a change takes away.
        """
        executor = next(entry[1] for entry in self._running if entry[0] is node)
        task = executor.create_task(lambda: [getattr(node, f"trigger_{c}")() for c in changes])
        wait_for(task.done)
        task.result()  # raises what the change raised

    def take_over(self, node):
        """Stop the node's thread; return what spins it once, for the caller to do instead."""
        _, executor, stop, thread = next(entry for entry in self._running if entry[0] is node)
        stop.set()
        thread.join(10.0)
        return lambda: executor.spin_once(timeout_sec=0.0)

    def remove(self, node):
        """Stop spinning a node and destroy it."""
        entry = next(entry for entry in self._running if entry[0] is node)
        self._running.remove(entry)
        self._end(*entry)

    def close(self):
        import rclpy

        for entry in reversed(self._running):
            self._end(*entry)
        self._running = []
        rclpy.try_shutdown(context=self.context)

    def _end(self, node, executor, stop, thread):
        stop.set()
        thread.join(10.0)
        assert not thread.is_alive(), f"{node.get_name()} hangs"
        if hasattr(node, "close"):
            node.close()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()


def wait_for(condition, timeout_s=20.0):
    """Wait until `condition()` is true and return it; fail after `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("this did not happen in time")


def collect(node, kind, topic, qos):
    """Subscribe and return the growing list of (arrival [s], message)."""
    messages = []
    node.create_subscription(kind, topic, lambda m: messages.append((time.time(), m)), qos)
    return messages


def call(node, kind, name, request=None, timeout_s=20.0):
    """Call a service and return its response."""
    client = node.create_client(kind, name)
    try:
        assert client.wait_for_service(timeout_sec=timeout_s), f"no service {name}"
        future = client.call_async(request or kind.Request())
        wait_for(future.done, timeout_s)
        return future.result()
    finally:
        node.destroy_client(client)


def stub_engine(avatar, settings, limiter, clock, warn):
    """An engine whose motion is the loudness of what it hears; stands in for open_engine."""
    from streaming_stubs import IDLE_FACE, LoudnessDetector, StubGenerator

    from asynfusion_ros.streaming.ear import Senses
    from asynfusion_ros.streaming.engine import AvatarEngine

    rest = np.zeros(24, np.float32)
    generator = StubGenerator(settings.hop_frames)
    idle = (IDLE_FACE, rest)
    other = LoudnessDetector(0.2) if settings.listen else None
    senses = Senses(LoudnessDetector(), other)
    return AvatarEngine(generator, limiter, idle, settings, senses=senses, clock=clock, warn=warn)


class Talker:
    """Publishes audio in real time from a thread, stamped with the wall clock."""

    def __init__(self, node, samples, rate_hz=16000, chunk_s=0.04, source="talker"):
        from asynfusion_ros.msg import AudioChunk

        from asynfusion_ros.nodes.interface import AUDIO, AUDIO_QOS

        self._publisher = node.create_publisher(AudioChunk, AUDIO, AUDIO_QOS)
        self._samples, self._rate_hz, self._source = samples, rate_hz, source
        self._size = round(chunk_s * rate_hz)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.begin_s = 0.0

    def __enter__(self):
        wait_for(self._publisher.get_subscription_count)
        self.begin_s = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5.0)

    def _run(self):
        from asynfusion_ros.nodes.conversions import make_chunk

        at = 0
        while not self._stop.is_set():
            piece = np.resize(np.roll(self._samples, -at), self._size)
            stamp_s = self.begin_s + at / self._rate_hz
            at += self._size
            self._stop.wait(max(0.0, self.begin_s + at / self._rate_hz - time.time()))
            self._publisher.publish(make_chunk(piece, self._rate_hz, stamp_s, self._source))


class FakeSpeaker:
    """Stands in for a Loudspeaker: asks for 10 ms at a time, and keeps what it was given."""

    rate_hz = 16000

    def __init__(self, device=None):
        self.device, self.counts, self.playing = device, Counter(), True
        self.blocks, self.news = [], ""  # when each was asked for, and its samples
        self._done, self._thread = threading.Event(), None

    def start(self, read):
        self._thread = threading.Thread(target=self._ask, args=(read,), daemon=True)
        self._thread.start()

    def _ask(self, read):
        next_s = time.monotonic()
        while not self._done.wait(max(0.0, next_s - time.monotonic())):
            self.blocks.append((next_s, read(160, next_s)))
            next_s += 0.01

    def loud(self):
        """When anything was heard [s of the monotonic clock], 10 ms at a time."""
        return [at_s for at_s, block in tuple(self.blocks) if np.abs(block).max() > 0.01]

    def watch(self):
        news, self.news = self.news, ""
        return news

    def close(self):
        self._done.set()
        if self._thread is not None:
            self._thread.join()
