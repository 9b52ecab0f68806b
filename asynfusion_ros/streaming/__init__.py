"""The real-time engine and the offline generator: speech in, motion by audio time; no ROS.

`windows` says which frames and samples belong to window n; `generator` turns one window into
motion, with its state passed explicitly, for files and streams alike. Live: `intake` makes one
gapless line of stamped packets, `stream` decides which window is next, `worker` computes it on the
engine's thread, `queue` holds the motion by audio time, `playback` shows it smoothly within limits,
`mailbox` is what threads share, and `engine` is the whole.
"""
