"""Several avatars in one process: each its own topics, one model for all."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source a setup file first")

from ros_helpers import collect, ros_graph, wait_for
from sensor_msgs.msg import JointState
from streaming_stubs import speech_like

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.nodes import interface
from asynfusion_ros.nodes.company_node import CompanyNode, SharedModel
from asynfusion_ros.nodes.conversions import make_chunk
from asynfusion_ros.nodes.settings import AvatarSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint
from asynfusion_ros.streaming.clock import FakeClock
from asynfusion_ros.streaming.settings import EngineSettings

SMALL = NetworkSettings(width=16, depth=1, heads=2)
SPEECH = speech_like(2.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    untrained_checkpoint(SMALL).save(folder)
    return str(folder)


def test_each_avatar_has_topics_of_its_own_and_all_share_one_model(model):
    with ros_graph() as graph:
        parameters = {"avatars": 2, "checkpoint": model, "publish_rate_hz": 20.0}
        parameters |= {"expression_steps": 2, "gesture_steps": 2}
        company = graph.add(CompanyNode, parameters=parameters)
        observer = graph.node()
        heard = [
            collect(
                observer, JointState, f"avatar_{n}/{interface.JOINT_STATES}", interface.MOTION_QOS
            )
            for n in (1, 2)
        ]
        wait_for(lambda: all(avatar.state == "active" for avatar in company.avatars), 60.0)
        speaker = observer.create_publisher(
            type(make_chunk(SPEECH, 16000, 0.0, "test")), "avatar_2/audio", interface.AUDIO_QOS
        )
        wait_for(lambda: speaker.get_subscription_count() == 1)
        now_s = observer.get_clock().now().nanoseconds * 1e-9
        speaker.publish(make_chunk(SPEECH, 16000, now_s, "test"))
        wait_for(lambda: all(len(messages) > 20 for messages in heard), 60.0)
        engines = [avatar._parts.engine for avatar in company.avatars]
        wait_for(lambda: engines[1].status().counts["streams"] == 1, 60.0)
        assert [engine.status().counts["streams"] for engine in engines] == [0, 1]
        shared = company._model._shared
        assert shared.counts.windows >= 2
        assert all(engine._generator._shared is shared for engine in engines)


def test_who_wants_another_model_is_told(model):
    shared, limiter = SharedModel(), JointLimiter(Skeleton.load())
    avatar, settings = AvatarSettings(checkpoint=model), EngineSettings(seed=4)
    given = (avatar, settings, limiter, FakeClock(), print)
    engines = [shared.open_engine(number, *given) for number in (1, 2)]
    assert len({engine.settings.seed for engine in engines}) == 2
    other = settings.replace(hop_frames=3)
    with pytest.raises(ConfigError, match="avatar_3 wants"):
        shared.open_engine(3, avatar, other, limiter, FakeClock(), print)
    assert np.isfinite(engines[0].frame_at(0.0).body).all()
    shared.close()
