"""The thin ROS 2 shells: the only modules that import rclpy and messages."""
