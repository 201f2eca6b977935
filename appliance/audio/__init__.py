"""Sound in: microphones, replay, decoding, levels, windows."""
