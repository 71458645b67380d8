"""The console: the page on which carers and families see residents and answer alerts."""

from gateway.console.mount import login_link, mount_console

__all__ = ["login_link", "mount_console"]
