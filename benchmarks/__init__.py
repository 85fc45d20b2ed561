"""Side by side with peers, in one run: training, decoding, seconds to a target, the live panel."""
