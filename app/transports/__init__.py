"""Where the log lives: embedded in a directory, or on Kafka. Each is a Faust transport that also gives a `Log`."""
