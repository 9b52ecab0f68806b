import pytest

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import FPS_HZ, SAMPLE_RATE_HZ, WindowPlan


@pytest.mark.parametrize("hop", [3, 6, 12, 15, 30, 60])
def test_new_frames_of_all_windows_tile_the_stream(hop):
    plan = WindowPlan(hop)
    frames = [frame for index in range(20) for frame in plan.new_frames(index)]
    assert frames == list(range(20 * hop))
    assert all(plan.window_of_frame(frame) == frame // hop for frame in frames)


@pytest.mark.parametrize("hop", [3, 12, 60])
def test_a_window_ends_with_its_new_frames_and_hears_them_all(hop):
    plan = WindowPlan(hop)
    for index in range(12):
        assert plan.first_frame(index) + plan.window_frames == plan.new_frames(index).stop
        assert plan.first_sample(index) * FPS_HZ == plan.first_frame(index) * SAMPLE_RATE_HZ
        last_s = plan.new_frames(index).stop / FPS_HZ
        assert plan.end_sample(index) / SAMPLE_RATE_HZ == pytest.approx(last_s + plan.look_ahead_s)


def test_the_first_hop_is_out_after_hop_and_look_ahead():
    plan = WindowPlan(12)
    assert plan.sample_count == 33600
    assert plan.end_sample(0) / SAMPLE_RATE_HZ == pytest.approx(0.4 + 0.1)
    assert plan.known_frames == 48


@pytest.mark.parametrize(("name", "value"), [("hop_frames", 0), ("hop_frames", 10)])
def test_windows_off_the_sample_grid_are_refused(name, value):
    with pytest.raises(ConfigError, match="multiple of 3"):
        WindowPlan(**{name: value})
    with pytest.raises(ConfigError):
        EngineSettings(**{name: value})


def test_a_hop_longer_than_the_window_is_refused():
    with pytest.raises(ConfigError, match="cannot exceed"):
        WindowPlan(63)
