"""From a simulator to shards on disk, and from shards to windows. Knows no model."""
