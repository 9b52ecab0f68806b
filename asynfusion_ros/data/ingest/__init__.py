"""From a video of a talking person to takes that train: tracking, cleaning, quality."""
