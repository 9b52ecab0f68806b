"""From the avatar's body and face to the joints of a robot, by a map; no ROS, no networks."""
