"""Cores made of other people's packages, which the extra ``[rivals]`` installs."""
