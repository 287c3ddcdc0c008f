"""What happened: the timeline, reading it, the feed."""
