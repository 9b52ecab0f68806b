"""Sound on its way in: sources, conversion, resampling, the ring, features, speech activity."""
