import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling import Tick
from asynfusion_ros.sampling.branch_window import Snapshot
from asynfusion_ros.sampling.buffer import FeatureBuffer
from asynfusion_ros.sampling.executor import BranchExecutor


def snapshot(step, window=0):
    return Snapshot(window, step, 10 * step, (torch.tensor(step),), published_s=0.0)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_a_reader_gets_the_newest_snapshot_itself():
    buffer = FeatureBuffer({}, joint_steps=0, timeout_s=1.0)
    assert buffer.read("gesture", 0) is None
    newest = snapshot(1)
    buffer.publish("expression", snapshot(0))
    buffer.publish("expression", newest)
    assert buffer.read("gesture", 1) is newest
    assert buffer.read("expression", 2) is None  # the gesture branch said nothing
    assert [tuple(tick)[2] for tick in buffer.trace] == [
        "read",
        "publish",
        "publish",
        "read",
        "read",
    ]


def test_the_window_before_is_heard_until_something_newer_comes():
    before = {"expression": snapshot(3, window=6)}
    buffer = FeatureBuffer(before, joint_steps=0, timeout_s=1.0)
    assert buffer.read("gesture", 0).window == 6
    buffer.publish("expression", snapshot(0, window=7))
    assert buffer.read("gesture", 1).window == 7
    assert before["expression"].step == 3  # the caller's own mapping is left alone


def test_joint_steps_trade_block_by_block(pool):
    buffer = FeatureBuffer({}, joint_steps=1, timeout_s=5.0)

    def branch(name, sign):
        heard = []
        for block in range(50):
            heard.append(buffer.trade(name, 0, block, (sign * block, None))[0])
        return heard

    face = pool.submit(branch, "expression", 1)
    body = pool.submit(branch, "gesture", -1)
    assert face.result(5.0) == [-block for block in range(50)]
    assert body.result(5.0) == list(range(50))


def test_a_read_waits_for_the_partner_s_joint_step(pool):
    buffer = FeatureBuffer({"expression": snapshot(9, window=-1)}, joint_steps=1, timeout_s=5.0)
    read = pool.submit(buffer.read, "gesture", 1)
    assert not read.done()
    buffer.publish("expression", snapshot(0))
    assert read.result(5.0).step == 0


def test_a_forced_order_holds_back_who_comes_early(pool):
    order = [Tick("gesture", 0, "read"), Tick("expression", 0, "publish")]
    buffer = FeatureBuffer({}, joint_steps=0, timeout_s=5.0, order=order)
    early = pool.submit(buffer.publish, "expression", snapshot(0))
    assert not early.done()
    assert buffer.read("gesture", 0) is None
    early.result(5.0)
    assert buffer.trace == tuple(order)


@pytest.mark.parametrize("wait", ["read", "trade", "order"])
def test_every_wait_ends_by_timeout_and_by_failure(wait, pool):
    def start(timeout_s):
        order = [Tick("expression", 1, "read")] if wait == "order" else None
        joint = 0 if wait == "order" else 1
        buffer = FeatureBuffer({}, joint, timeout_s, order)
        if wait == "trade":
            return buffer, lambda: buffer.trade("gesture", 0, 0, (torch.zeros(1), None))
        return buffer, lambda: buffer.read("gesture", 1)

    _, late = start(timeout_s=0.02)
    with pytest.raises(SamplerError, match=r"did not arrive within 0\.02 s"):
        late()
    buffer, ended = start(timeout_s=60.0)
    waiting = pool.submit(ended)
    buffer.fail("because")
    buffer.fail("later reason")
    with pytest.raises(SamplerError, match="because"):
        waiting.result(5.0)
    assert buffer.failure == "because"


def test_an_executor_keeps_its_own_tensor_threads_and_mode():
    before = torch.get_num_threads()
    executor = BranchExecutor("test", threads=before + 1)
    facts = lambda: (torch.get_num_threads(), torch.is_inference_mode_enabled())  # noqa: E731
    assert executor.submit(facts).result(5.0) == (before + 1, True)
    assert facts() == (before, False)
    assert executor.close(5.0)
    assert not executor.alive


def test_an_executor_survives_what_its_jobs_raise():
    executor = BranchExecutor("test", threads=1)
    ident = executor.submit(threading.get_ident).result(5.0)
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(5.0)
    with pytest.raises(SystemExit):
        executor.submit(sys.exit).result(5.0)
    assert executor.submit(threading.get_ident).result(5.0) == ident
    assert executor.close(5.0)
