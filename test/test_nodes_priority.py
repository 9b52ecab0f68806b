"""Poses go first where that is allowed, and nothing else changes where it is not."""

import os
import threading

import pytest

from asynfusion_ros.nodes.priority import set_real_time

FIRST = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK


def in_thread(work):
    """What `work` returns in a thread of its own, whose priority is lost with it."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


class System:
    """A computer that allows real-time priorities up to `most`."""

    def __init__(self, monkeypatch, most):
        self.most, self.policy, self.priority, self.calls = most, os.SCHED_OTHER, 0, 0
        monkeypatch.setattr(os, "sched_setscheduler", self.set)
        monkeypatch.setattr(os, "sched_getscheduler", lambda _: self.policy)
        monkeypatch.setattr(os, "sched_getparam", lambda _: os.sched_param(self.priority))

    def set(self, _, policy, param):
        self.calls += 1
        if param.sched_priority > self.most:
            raise PermissionError
        self.policy, self.priority = policy, param.sched_priority


def test_a_thread_goes_first_and_becomes_ordinary_again(monkeypatch):
    system = System(monkeypatch, 5)
    assert set_real_time(3)
    assert (system.policy, system.priority) == (FIRST, 3)
    assert set_real_time(3)
    assert system.calls == 1
    assert set_real_time(0)
    assert (system.policy, system.priority) == (os.SCHED_OTHER, 0)


def test_what_is_not_allowed_changes_nothing(monkeypatch):
    system = System(monkeypatch, 0)
    assert not set_real_time(1)
    assert (system.policy, system.priority) == (os.SCHED_OTHER, 0)
    assert set_real_time(0)


def test_on_this_computer_it_is_as_it_says():
    def work():
        allowed = set_real_time(1)
        policy = os.sched_getscheduler(0)
        child = in_thread(lambda: os.sched_getscheduler(0))
        return allowed, policy, child

    allowed, policy, child = in_thread(work)
    assert (policy == FIRST) == allowed
    assert child == os.SCHED_OTHER


@pytest.mark.ros
def test_an_avatar_goes_first_while_it_is_active():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
    from ros_helpers import ros_graph, stub_engine, wait_for

    from asynfusion_ros.nodes.avatar_node import AvatarNode

    allowed = in_thread(lambda: set_real_time(1))
    seen = {}

    def policy_of(node):
        node.create_timer(0.01, lambda: seen.update(policy=os.sched_getscheduler(0)))

    with ros_graph() as graph:
        node = graph.add(AvatarNode, make_engine=stub_engine)
        policy_of(node)
        wait_for(lambda: node.state == "active")
        wait_for(lambda: (seen.get("policy") == FIRST) == allowed)
        rest = node.create_timer(0.01, lambda: (rest.cancel(), node.trigger_deactivate()))
        wait_for(lambda: node.state == "inactive")  # on the thread that spins, as by a service
        wait_for(lambda: seen.get("policy") == os.SCHED_OTHER)
