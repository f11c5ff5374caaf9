"""Put conf/ into the wheel as sirve/conf; an editable install reads conf/ in the repository."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConfHook(BuildHookInterface):
    """Build hook that adds the configuration to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"]["conf"] = "sirve/conf"
