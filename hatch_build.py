"""Puts conf/ into the wheel as sirve/conf; an editable install reads it where it lies."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConfHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"]["conf"] = "sirve/conf"
