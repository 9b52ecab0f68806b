"""Run in a network namespace of its own: the loopback goes down while a graph runs, and comes back.

    unshare -n -m python test/lost_network.py

The avatar is another process, and shared memory is out of reach, so that its poses really go over
the network.
"""

import os
import subprocess
import sys
import tempfile
import time

DOWN_S = 8.0
PATIENCE_S = 60.0


def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def main():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", "/dev/shm"], check=True)
    link("up")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    import rclpy
    from sensor_msgs.msg import JointState

    from asynfusion_ros.networks import NetworkSettings
    from asynfusion_ros.sampling.checkpoint import untrained_checkpoint

    folder = tempfile.mkdtemp()
    untrained_checkpoint(NetworkSettings(width=16, depth=1, heads=2)).save(folder)
    command = [sys.executable, "-m", "asynfusion_ros.nodes.start", "avatar_node", "--ros-args"]
    avatar = subprocess.Popen([*command, "-p", f"checkpoint:={folder}", "-p", "publish_tf:=false"])
    rclpy.init()
    node = rclpy.create_node("observer")
    times_s = []
    node.create_subscription(JointState, "joint_states", lambda _: times_s.append(time.time()), 10)

    def spin(until, patience_s):
        end_s = time.time() + patience_s
        while time.time() < end_s and not until():
            rclpy.spin_once(node, timeout_sec=0.1)
        return until()

    try:
        assert spin(lambda: len(times_s) > 100, PATIENCE_S), "no poses at all"
        link("down")
        spin(lambda: False, 2.0)
        before = len(times_s)
        spin(lambda: False, DOWN_S)
        assert len(times_s) <= before + 5, "poses came although the network was down"
        link("up")
        up_s, count = time.time(), len(times_s)
        assert spin(lambda: len(times_s) > count + 120, PATIENCE_S), "no poses after the network"
        assert avatar.poll() is None
        print(f"poses again after {times_s[count] - up_s:.1f} s")
    finally:
        avatar.send_signal(2)
        avatar.wait(30)


if __name__ == "__main__":
    sys.exit(main())
