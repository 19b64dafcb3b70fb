"""`forewarn doctor`: what is wrong with an installation, one line a finding, with what to do about it."""

from forewarn.doctor.command import doctor

__all__ = ["doctor"]
