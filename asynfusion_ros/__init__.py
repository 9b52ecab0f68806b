"""Speech in, a living avatar out: asynchronous audio-to-face-and-body motion for ROS 2."""

from pkgutil import extend_path

# The generated messages (`asynfusion_ros.msg`) may lie in another prefix than these modules.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
