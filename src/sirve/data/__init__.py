"""From a simulator or a file to shards on disk, and from shards to windows; no model in here."""
